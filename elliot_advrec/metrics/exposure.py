"""How much of users' lists a set of items takes: the category hit ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.listing import Scorer, recommend, users_at_once
from elliot_advrec.metrics.measured import PerUser
from elliot_advrec.progress import Advance


def category_hits(
    recommender: Scorer,
    interactions: Interactions,
    items: np.ndarray,
    cutoffs: Sequence[int],
    *,
    users: np.ndarray | None = None,
    known_only: bool = False,
    batch: int | None = None,
    advance: Advance = lambda units: None,
) -> dict[tuple[str, int], PerUser]:
    """CHR@k: how many of ``items`` stand in a user's k best, the average over users, between 0 and k.

    Di Noia, Malitesta & Merra 2020 (TAaMR), as Anelli et al. 2020 count it: over the whole catalog, training
    items masked, all users alike.

    Args:
        recommender: fitted on ``interactions``.
        interactions: whose training part is masked.
        items: (m,) rows of the set, e.g. of a category.
        cutoffs: list lengths, each at least 1.
        users: (n,) user rows, ascending; None: all.
        known_only: whether only items with a training row may be recommended, as in Elliot.
        batch: users scored at once; None: as many as make 128 MB of scores. Changes memory, never the result.
        advance: told of users done.

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
    rows = np.arange(count) if users is None else np.asarray(users, dtype=np.int64)
    if not len(rows):
        raise UserError("CHR@k over no users has no value")
    # One place more than there are items: what is beyond the end of a list is -1 and counts for nobody.
    wanted = np.zeros(width + 1, dtype=bool)
    wanted[np.asarray(items, dtype=np.int64)] = True
    known = interactions.trained() if known_only else None
    found = np.empty((len(rows), len(cutoffs)))
    step = batch or users_at_once(width)
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        lists = recommend(recommender, rows[some], [interactions.train], max(cutoffs), items=known)
        found[some] = hits_in(wanted[lists], cutoffs)
        advance(len(lists))
    return {("CHR", k): PerUser(rows, found[:, place], float(k)) for place, k in enumerate(cutoffs)}


def hits_in(listed: np.ndarray, cutoffs: Sequence[int]) -> np.ndarray:
    """(n, len(cutoffs)) how many of the first k places of each list are hits.

    Args:
        listed: (n, K) bool, whether a place is a hit.
        cutoffs: list lengths, at most K.
    """
    return np.stack([listed[:, :k].sum(axis=1) for k in cutoffs], axis=1)
