"""Where a user's test item stands, among sampled items and in the whole catalog."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.metrics.listing import masked_scores, users_at_once
from elliot_advrec.recommenders import Recommender


def sampled_places(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(m,) int64 place of each user's first item among its own, 1 the best; equal scores go by item row.

    Args:
        items: (m, g) item rows, the one that is looked for first.
        scores: (m, g) their scores.
    """
    ahead = (scores[:, 1:] > scores[:, :1]) | (
        (scores[:, 1:] == scores[:, :1]) & (items[:, 1:] < items[:, :1])
    )
    return 1 + ahead.sum(axis=1)


def catalog_places(
    recommender: Recommender,
    interactions: Interactions,
    users: np.ndarray,
    items: np.ndarray,
    stand_ins: Sequence[np.ndarray],
    *,
    known_only: bool = False,
) -> list[np.ndarray]:
    """Place of each user's first item in the whole catalog if the user's items had these scores.

    Training items are masked. All else keeps its score; equal ones go by item row, as in every list.

    Args:
        recommender: fitted.
        interactions: what is masked.
        users: (m,) user rows.
        items: (m, g) item rows, none of them masked, the one that is looked for first.
        stand_ins: (m, g) float32 scores each; one pass over the catalog serves them all.
        known_only: whether items without a training row are masked too.

    Returns:
        (m,) int64 for each of ``stand_ins``, 1 the best.
    """
    known = interactions.trained() if known_only else None
    places = [sampled_places(items, scores) for scores in stand_ins]
    columns = torch.arange(interactions.train.shape[1])
    # A comparison of a block with itself takes some copies of it.
    step = max(1, users_at_once(len(columns)) // 8)
    for start in range(0, len(users), step):
        some = slice(start, start + step)
        rest = masked_scores(recommender, users[some], [interactions.train], known, None)
        rest.scatter_(1, torch.from_numpy(items[some]), -torch.inf)
        looked_for = torch.from_numpy(items[some, :1])
        for place, scores in zip(places, stand_ins, strict=True):
            own = torch.from_numpy(scores[some, :1])
            place[some] += _ahead(rest, own, looked_for, columns).numpy()
    return places


def _ahead(rest: Tensor, own: Tensor, item: Tensor, columns: Tensor) -> Tensor:
    """(b,) how many columns of ``rest`` (b,N) come before an item (b,1) with the score ``own`` (b,1)."""
    return ((rest > own) | ((rest == own) & (columns < item))).sum(1)
