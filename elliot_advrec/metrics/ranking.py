"""Full-ranking evaluation: top-k lists with seen items masked, judged by Elliot's definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.metrics.formulas import FORMULAS, METRICS
from elliot_advrec.metrics.rates import Rate, mean_interval, wilson
from elliot_advrec.metrics.topk import top_k
from elliot_advrec.progress import Advance

__all__ = ["METRICS", "Ranking", "evaluate", "judge", "recommend"]

Part = Literal["validation", "test"]


class Scorer(Protocol):
    """All that ranking asks of a recommender."""

    def scores(self, users: np.ndarray) -> Tensor:
        """(len(users), N) float, higher is better."""
        ...


@dataclass(frozen=True)
class Ranking(Mapping[tuple[str, int], np.ndarray]):
    """(metric, cutoff) -> (n,) float64, one value a user with a relevant held-out item; and the lists."""

    users: np.ndarray
    """(n,) rows of the evaluated users."""
    lists: np.ndarray
    """(n, longest cutoff) item rows, best first, -1 where no candidate was left."""
    by_key: dict[tuple[str, int], np.ndarray]
    """What this mapping holds."""

    def __getitem__(self, key: tuple[str, int]) -> np.ndarray:
        return self.by_key[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)

    def mean(self, metric: str, cutoff: int) -> float:
        """The average over users."""
        return float(np.mean(self[metric, cutoff]))

    def rate(self, metric: str, cutoff: int, confidence: float = 0.95) -> Rate:
        """The average over users with its interval: Wilson's for hits, else Student's t within [0, 1]."""
        values = self[metric, cutoff]
        if np.isin(values, (0.0, 1.0)).all():
            low, high = wilson(int(values.sum()), len(values), confidence)
            return Rate(float(values.mean()), low, high, len(values))
        mean, low, high = mean_interval(values, confidence)
        return Rate(mean, max(low, 0.0), min(high, 1.0), len(values))


def evaluate(
    recommender: Scorer,
    interactions: Interactions,
    cutoffs: Sequence[int],
    *,
    split: Part = "test",
    batch: int = 256,
    relevance_threshold: float = 0,
    metrics: Sequence[str] = ("HR", "nDCG"),
    mask_validation: bool = True,
    advance: Advance = lambda units: None,
) -> Ranking:
    """Rank the whole catalog for every user with a relevant held-out item, and judge the lists.

    Training items are masked, and so are validation items when the test is judged (Elliot masks training
    items alone: ``mask_validation=False``).

    Args:
        recommender: fitted on ``interactions``.
        interactions: what was seen and what is held out.
        cutoffs: list lengths, each at least 1.
        split: the part that is judged.
        batch: users scored at once; changes memory, never the result.
        relevance_threshold: the lowest rating that is relevant.
        metrics: names of ``METRICS``.
        mask_validation: whether validation items count as seen in the test.
        advance: told of users done, of all U of them in the end.

    Raises:
        UserError: an unknown metric, a bad cutoff, no user to judge, or scores that are not numbers.
    """
    check_metrics(metrics, cutoffs)
    held = _held_out(interactions, split)
    users = relevant_users(held, relevance_threshold)
    seen = [interactions.train]
    if split == "test" and mask_validation and interactions.validation is not None:
        seen.append(interactions.validation)
    lists = []
    advance(held.shape[0] - len(users))
    for start in range(0, len(users), batch):
        block = users[start : start + batch]
        lists.append(recommend(recommender, block, seen, max(cutoffs)))
        advance(len(block))
    return judge(users, np.vstack(lists), held, cutoffs, relevance_threshold, metrics)


def recommend(recommender: Scorer, users: np.ndarray, seen: Sequence[csr_matrix], k: int) -> np.ndarray:
    """(len(users), k) best unseen item rows, best first, equal scores by row; -1 where none is left.

    Args:
        recommender: fitted.
        users: (b,) user rows, scored in one block of b x N floats.
        seen: (U, N) matrices whose stored entries are not recommended.
        k: length of the lists.

    Raises:
        UserError: a score is NaN.
    """
    scores = recommender.scores(users)
    if torch.isnan(scores).any():
        raise UserError(f"{type(recommender).__name__} gave scores that are not numbers")
    for matrix in seen:
        rows = matrix[users]
        user = np.repeat(np.arange(len(users)), np.diff(rows.indptr))
        scores[torch.from_numpy(user), torch.from_numpy(rows.indices.astype(np.int64))] = -torch.inf
    return top_k(scores, k)


def judge(
    users: np.ndarray,
    items: np.ndarray,
    held: csr_matrix,
    cutoffs: Sequence[int],
    relevance_threshold: float = 0,
    metrics: Sequence[str] = ("HR", "nDCG"),
) -> Ranking:
    """Judge given lists, whoever made them.

    Args:
        users: (n,) user rows, each with a relevant item in ``held``.
        items: (n, K) recommended item rows, -1 beyond the end of a list; K at least the longest cutoff.
        held: (U, N) held-out ratings; stored entries only count.
        cutoffs: list lengths.
        relevance_threshold: the lowest rating that is relevant.
        metrics: names of ``METRICS``.

    Raises:
        UserError: an unknown metric or a bad cutoff.
    """
    check_metrics(metrics, cutoffs)
    width = max(cutoffs)
    hits = np.zeros((len(users), width))
    gains = np.zeros((len(users), width))
    ideal = np.zeros((len(users), width))
    total = np.zeros(len(users))
    for row, user in enumerate(users):
        start, stop = held.indptr[user], held.indptr[user + 1]
        ratings = held.data[start:stop].astype(np.float64)
        kept = ratings >= relevance_threshold
        relevant, worth = held.indices[start:stop][kept], 2.0 ** (ratings[kept] - relevance_threshold + 1) - 1
        total[row] = len(relevant)
        matches = items[row, :width, None] == relevant[None, :]
        hits[row] = matches.any(axis=1)
        gains[row] = matches @ worth
        best = np.sort(worth)[::-1][:width]
        ideal[row, : len(best)] = best
    values = {
        (name, k): FORMULAS[name](hits[:, :k], gains[:, :k], ideal[:, :k], total)
        for name in metrics
        for k in cutoffs
    }
    return Ranking(users, items, values)


def relevant_users(held: csr_matrix, relevance_threshold: float = 0) -> np.ndarray:
    """(n,) rows of the users with a held-out rating of at least the threshold.

    Raises:
        UserError: there is none.
    """
    user = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    users = np.unique(user[held.data >= relevance_threshold])
    if not len(users):
        raise UserError(
            f"no user has a held-out rating of at least {relevance_threshold:g}",
            where="evaluation.relevance_threshold",
            remedy=f"lower it; the highest rating is {held.data.max():g}" if held.nnz else "hold rows out",
        )
    return users


def check_metrics(metrics: Sequence[str], cutoffs: Sequence[int]) -> None:
    """Refuse what cannot be computed.

    Raises:
        UserError: an unknown metric, none at all, or a cutoff below 1.
    """
    for name in metrics:
        if name not in METRICS:
            raise UserError(f"unknown metric '{name}'", where="evaluation", remedy=nearest(name, METRICS))
    if not cutoffs or min(cutoffs) < 1:
        raise UserError(f"cutoffs must be at least 1, got {list(cutoffs)}", where="evaluation.cutoffs")


def _held_out(interactions: Interactions, split: Part) -> csr_matrix:
    if split == "validation":
        if interactions.validation is None:
            raise UserError("there is no validation part to evaluate", remedy="add a validation_splitting")
        return interactions.validation
    return interactions.test
