"""How popular attacked items are: strata, and the most popular item of a category."""

from __future__ import annotations

from typing import Literal

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.training import Training

STRATA = ("head", "tail", "cold")
"""Short head: the fewest items that hold 80 % of training interactions; long tail: the other items that have
one; cold: items without any."""
Kind = Literal["any", "popular", "unpopular", "cold"]
CHOSEN = {"any": (0, 1, 2), "popular": (0,), "unpopular": (1,), "cold": (2,)}
COLD_REMEDY = (
    "cold items are those that no training row names: keep some out of the interactions, "
    "or simulate with 'cold'"
)


def strata(interactions: Interactions) -> np.ndarray:
    """(N,) int8 places in ``STRATA``."""
    training = Training.of(interactions.train, interactions.train.shape[1])
    return np.where(training.head, 0, np.where(training.tail, 1, 2)).astype(np.int8)


def pool(interactions: Interactions, kind: Kind, *, known_only: bool) -> np.ndarray:
    """(p,) ascending rows of the items that may be attacked.

    Raises:
        UserError: there are none; says what to set.
    """
    if kind == "cold" and known_only:
        raise UserError(
            "a recommender that recommends only items with training rows never shows a cold item",
            where="items",
            remedy="let it recommend the whole catalog, or attack other items",
        )
    found = np.isin(strata(interactions), CHOSEN[kind])
    if known_only:
        found &= interactions.trained()
    if not found.any():
        raise UserError(
            f"the catalog has no {kind if kind != 'any' else 'recommendable'} items",
            where="items",
            remedy=COLD_REMEDY if kind == "cold" else "take items: any",
        )
    return np.flatnonzero(found)


def most_popular(interactions: Interactions, catalog: Catalog | None, items: np.ndarray) -> np.ndarray:
    """(n,) the item with most training users in the category of each of ``items`` (n,), other than itself.

    Of the whole catalog where there are no categories or the item has no companion; equal ones by row.
    """
    users = Training.of(interactions.train, interactions.train.shape[1]).popularity
    order = np.argsort(-users, kind="stable")
    labels = np.full(len(users), -1) if catalog is None else catalog.category
    best = {-1: order[:2]}
    for label in np.unique(labels[labels >= 0]):
        best[int(label)] = order[labels[order] == label][:2]
    found = np.empty(len(items), np.int64)
    for place, item in enumerate(items):
        own = best[int(labels[item])]
        candidates = [*own[own != item], *order[:2][order[:2] != item]]
        found[place] = candidates[0] if candidates else item
    return found
