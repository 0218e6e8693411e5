"""Full-ranking evaluation: top-k lists with seen items masked, judged by Elliot's definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.formulas import Metric, UserMetric, metric_named
from elliot_advrec.metrics.judged import Hits, Judged, found, relevant
from elliot_advrec.metrics.listing import (
    Scorer,
    complete_hits,
    masked_scores,
    users_at_once,
)
from elliot_advrec.metrics.measured import Measured, Overall, PerUser, Ranking
from elliot_advrec.metrics.topk import top_k_scored
from elliot_advrec.metrics.training import Training
from elliot_advrec.progress import Advance

Part = Literal["validation", "test"]


def evaluate(
    recommender: Scorer,
    interactions: Interactions,
    cutoffs: Sequence[int],
    *,
    split: Part = "test",
    batch: int | None = None,
    relevance_threshold: float = 0,
    metrics: Sequence[str] = ("HR", "nDCG"),
    mask_validation: bool = True,
    items: np.ndarray | None = None,
    candidates: csr_matrix | None = None,
    advance: Advance = lambda units: None,
) -> Ranking:
    """Rank the whole catalog for every user with a held-out item, and judge the lists.

    Training items are masked, and so are validation items when the test is judged (Elliot masks training
    items alone: ``mask_validation=False``).

    Args:
        recommender: fitted on ``interactions``.
        interactions: what was seen and what is held out.
        cutoffs: list lengths, each at least 1.
        split: the part that is judged.
        batch: users scored at once; None: as many as make 128 MB of scores. Changes memory, never the result.
        relevance_threshold: the lowest rating that is relevant.
        metrics: names of ``METRICS``, in any case.
        mask_validation: whether validation items count as seen in the test.
        items: (N,) bool, what may be recommended at all; None: the whole catalog. (Elliot knows training
            items alone: ``np.diff(interactions.train.tocsc().indptr) > 0``.)
        candidates: (U, N), stored entries are all that is ranked for a user, seen or not, as in Elliot's
            ``negative_sampling``; None: all items.
        advance: told of users done, of all U of them in the end.

    Raises:
        UserError: an unknown metric, a bad cutoff, no user to judge, or scores that are not numbers.
    """
    chosen = checked(metrics, cutoffs)
    held = _held_out(interactions, split)
    users = judged_users(held, relevance_threshold)
    ideal = relevant(users, held, relevance_threshold)
    seen = [interactions.train]
    if split == "test" and mask_validation and interactions.validation is not None:
        seen.append(interactions.validation)
    complete = any(metric.complete for metric in chosen)
    lists = np.empty((len(users), max(cutoffs)), dtype=np.int64)
    ranked: list[Hits] = []
    advance(held.shape[0] - len(users))
    step = batch or users_at_once(held.shape[1])
    for start in range(0, len(users), step):
        block = users[start : start + step]
        scores = masked_scores(recommender, block, seen, items, candidates)
        lists[start : start + step] = top_k_scored(scores, max(cutoffs))[0]
        if complete:
            here = slice(*np.searchsorted(ideal.row, (start, start + step)))
            ranked.append(complete_hits(scores, start, ideal.only(np.r_[here])))
        advance(len(block))
    size = held.shape[1] if items is None else int(items.sum())
    training = Training.of(interactions.train, size)
    hits = _joined(ranked) if complete else found(lists, ideal, held.shape[1])
    return _measure(Judged(users, lists, hits, ideal, training), chosen, cutoffs)


def judge(
    users: np.ndarray,
    lists: np.ndarray,
    held: csr_matrix,
    train: csr_matrix,
    cutoffs: Sequence[int],
    *,
    relevance_threshold: float = 0,
    metrics: Sequence[str] = ("HR", "nDCG"),
    catalog_size: int | None = None,
) -> Ranking:
    """Judge given lists, whoever made them.

    Measures that ask for complete ranks (``AUC``, ``GAUC``) take what is not in the lists as ranked below all
    else, as Elliot does: give them lists of all items.

    Args:
        users: (n,) user rows, ascending; those without an entry in ``held`` are left out.
        lists: (n, K) recommended item rows, best first, -1 beyond the end of a list; an item that
            comes twice counts twice, as in Elliot.
        held: (U, N) held-out ratings; stored entries only count.
        train: (U, N) training part; stored entries only count.
        cutoffs: list lengths.
        relevance_threshold: the lowest rating that is relevant.
        metrics: names of ``METRICS``, in any case.
        catalog_size: how many items the lists were drawn from; None: those with a training entry, as Elliot.

    Raises:
        UserError: an unknown metric, a bad cutoff, or none of the users has a relevant held-out item.
    """
    chosen = checked(metrics, cutoffs)
    known = np.diff(held.indptr)[users] > 0
    users, lists = users[known], lists[known]
    ideal = relevant(users, held, relevance_threshold)
    if not len(ideal.row):
        raise _nothing_relevant(held, relevance_threshold)
    hits = found(lists, ideal, held.shape[1])
    return _measure(Judged(users, lists, hits, ideal, Training.of(train, catalog_size)), chosen, cutoffs)


def judged_users(held: csr_matrix, relevance_threshold: float = 0) -> np.ndarray:
    """(n,) rows of the users with a held-out rating.

    Raises:
        UserError: none of them has one of at least the threshold.
    """
    if not held.nnz or held.data.max() < np.asarray(relevance_threshold, held.data.dtype):
        raise _nothing_relevant(held, relevance_threshold)
    return np.flatnonzero(np.diff(held.indptr))


def checked(metrics: Sequence[str], cutoffs: Sequence[int]) -> list[Metric]:
    """The metrics, or why they cannot be computed.

    Raises:
        UserError: an unknown metric, none at all, or a cutoff below 1.
    """
    if not metrics:
        raise UserError("there is no metric to compute", where="evaluation.simple_metrics")
    if not cutoffs or min(cutoffs) < 1:
        raise UserError(f"cutoffs must be at least 1, got {list(cutoffs)}", where="evaluation.cutoffs")
    return [metric_named(name) for name in metrics]


def _joined(parts: Sequence[Hits]) -> Hits:
    return Hits(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("row", "rank", "item", "gain"))
    )


def _measure(judged: Judged, metrics: Sequence[Metric], cutoffs: Sequence[int]) -> Ranking:
    accurate = judged.with_relevant
    values: dict[tuple[str, int], Measured] = {}
    for metric in metrics:
        for k in cutoffs:
            if isinstance(metric, UserMetric):
                over = judged if metric.everyone else accurate
                values[metric.name, k] = PerUser(over.users, metric.formula(over, k), metric.highest)
            else:
                values[metric.name, k] = Overall(metric.formula(judged, k), len(judged.users))
    return Ranking(judged.users, judged.lists, values)


def _nothing_relevant(held: csr_matrix, relevance_threshold: float) -> UserError:
    return UserError(
        f"no user has a held-out rating of at least {relevance_threshold:g}",
        where="evaluation.relevance_threshold",
        remedy=f"lower it; the highest rating is {held.data.max():g}" if held.nnz else "hold rows out",
    )


def _held_out(interactions: Interactions, split: Part) -> csr_matrix:
    if split == "validation":
        if interactions.validation is None:
            raise UserError("there is no validation part to evaluate", remedy="add a validation_splitting")
        return interactions.validation
    return interactions.test
