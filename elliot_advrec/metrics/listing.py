"""From a recommender's scores to lists, seen items masked, and to the rank of every relevant item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.judged import Hits
from elliot_advrec.metrics.topk import top_k_scored

#: Scores held at once: 128 MB of float32.
BLOCK = 1 << 25


class Scorer(Protocol):
    """All that ranking asks of a recommender."""

    def scores(self, users: np.ndarray) -> Tensor:
        """(len(users), N) float, higher is better; a fresh tensor, seen items are masked in place."""
        ...


def users_at_once(items: int) -> int:
    """How many users make a block of scores over ``items`` items; at least 1."""
    return max(1, BLOCK // items)


def recommend(
    recommender: Scorer,
    users: np.ndarray,
    seen: Sequence[csr_matrix],
    k: int,
    *,
    items: np.ndarray | None = None,
) -> np.ndarray:
    """(len(users), k) best unseen item rows, best first, equal scores by row; -1 where none is left.

    Args:
        recommender: fitted.
        users: (b,) user rows, scored in one block of b x N floats.
        seen: (U, N) matrices whose stored entries are not recommended.
        k: length of the lists.
        items: (N,) bool, what may be recommended at all; None: the whole catalog.

    Raises:
        UserError: a score is NaN.
    """
    return recommend_scored(recommender, users, seen, k, items=items)[0]


def recommend_scored(
    recommender: Scorer,
    users: np.ndarray,
    seen: Sequence[csr_matrix],
    k: int,
    *,
    items: np.ndarray | None = None,
    candidates: csr_matrix | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``recommend``, and the (len(users), k) scores of the lists, -inf where none is left.

    Args besides those:
        candidates: (U, N), stored entries are all that is ranked for a user, seen or not; None: all items.
    """
    return top_k_scored(masked_scores(recommender, users, seen, items, candidates), k)


def masked_scores(
    recommender: Scorer,
    users: np.ndarray,
    seen: Sequence[csr_matrix],
    items: np.ndarray | None,
    candidates: csr_matrix | None,
) -> Tensor:
    """(b, N) scores, -inf where an item may not be recommended; arguments as of ``recommend_scored``.

    Raises:
        UserError: a score is NaN.
    """
    scores = recommender.scores(users)
    # One sum is a quick look; infinities can make it NaN where no score is.
    if torch.isnan(scores.sum()) and torch.isnan(scores).any():
        raise UserError(f"{type(recommender).__name__} gave scores that are not numbers")
    if candidates is not None:
        open_items = _entries(candidates, users)
        kept = torch.full_like(scores, -torch.inf)
        kept[open_items] = scores[open_items]
        scores = kept
    else:
        for matrix in seen:
            scores[_entries(matrix, users)] = -torch.inf
    if items is not None and not items.all():
        scores[:, torch.from_numpy(np.flatnonzero(~items))] = -torch.inf
    return scores


def _entries(matrix: csr_matrix, users: np.ndarray) -> tuple[Tensor, Tensor]:
    rows = matrix[users]
    user = np.repeat(np.arange(len(users)), np.diff(rows.indptr))
    return torch.from_numpy(user), torch.from_numpy(rows.indices.astype(np.int64))


def complete_hits(scores: Tensor, first: int, ideal: Hits) -> Hits:
    """The ranks of relevant items in a block whose first user is the ``first`` of all, by counting."""
    row, item = torch.from_numpy(ideal.row - first), torch.from_numpy(ideal.item)
    columns = torch.arange(scores.shape[1])
    ranks = []
    # A tenth of a block at a time: a comparison of a block with itself takes some copies of it.
    step = max(1, users_at_once(scores.shape[1]) // 10)
    for start in range(0, len(row), step):
        rows, at = row[start : start + step], item[start : start + step, None]
        own, theirs = scores[rows, at.squeeze(1)].unsqueeze(1), scores[rows]
        before = (theirs > own) | ((theirs == own) & (columns < at))
        # What may not be recommended has no rank.
        ranks.append(torch.where(own.squeeze(1) > -torch.inf, before.sum(1), -1).numpy())
    rank = np.concatenate([*ranks, np.zeros(0, dtype=np.int64)])
    hits = Hits(ideal.row, rank, ideal.item, ideal.gain).only(np.lexsort((rank, ideal.row)))
    return hits.only(hits.rank >= 0)
