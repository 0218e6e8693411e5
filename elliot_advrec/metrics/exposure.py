"""How much of users' lists a set of items takes: the category hit ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.listing import Scorer, recommend, users_at_once
from elliot_advrec.metrics.measured import PerUser


def category_hits(
    recommender: Scorer,
    interactions: Interactions,
    items: np.ndarray,
    cutoffs: Sequence[int],
    *,
    known_only: bool = False,
) -> dict[tuple[str, int], PerUser]:
    """CHR@k: how many of ``items`` stand in a user's k best, the average over users, between 0 and k.

    Di Noia, Malitesta & Merra 2020 (TAaMR), as Anelli et al. 2020 count it: over the whole catalog, training
    items masked, all users alike.

    Args:
        recommender: fitted on ``interactions``.
        interactions: whose training part is masked.
        items: (m,) rows of the set, e.g. of a category.
        cutoffs: list lengths, each at least 1.
        known_only: whether only items with a training row may be recommended, as in Elliot.

    Returns:
        (``CHR``, k) -> each user's count.

    Raises:
        UserError: no items, no users, a bad cutoff, or scores that are not numbers.
    """
    if not cutoffs or min(cutoffs) < 1:
        raise UserError(f"cutoffs must be at least 1, got {list(cutoffs)}")
    if not len(items):
        raise UserError("CHR@k of no items has no value")
    count, width = interactions.train.shape
    rows = np.arange(count)
    if not len(rows):
        raise UserError("CHR@k over no users has no value")
    # One place more than there are items: what is beyond the end of a list is -1 and counts for nobody.
    wanted = np.zeros(width + 1, dtype=bool)
    wanted[np.asarray(items, dtype=np.int64)] = True
    known = interactions.trained() if known_only else None
    found = np.empty((len(rows), len(cutoffs)))
    step = users_at_once(width)
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        lists = recommend(recommender, rows[some], [interactions.train], max(cutoffs), items=known)
        found[some] = hits_in(wanted[lists], cutoffs)
    return {("CHR", k): PerUser(rows, found[:, place], float(k)) for place, k in enumerate(cutoffs)}


def hits_in(listed: np.ndarray, cutoffs: Sequence[int]) -> np.ndarray:
    """(n, len(cutoffs)) how many of the first k places of each list are hits.

    Args:
        listed: (n, K) bool, whether a place is a hit.
        cutoffs: list lengths, at most K.
    """
    return np.stack([listed[:, :k].sum(axis=1) for k in cutoffs], axis=1)
