"""Which category is attacked and which one it is to be taken for: by name, or by what users took."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError, nearest

AUTO = "auto"


class Popularity(NamedTuple):
    """What C categories hold."""

    items: np.ndarray
    """(C,) int64 items of each."""
    known: np.ndarray
    """(C,) int64 items of each with a training row."""
    taken: np.ndarray
    """(C,) int64 training interactions with items of each."""


def popularity(catalog: Catalog, interactions: Interactions) -> Popularity:
    """Items and training interactions of each category; an interaction is a stored entry."""
    per_item = np.bincount(interactions.train.indices, minlength=len(catalog))
    labelled = catalog.category >= 0
    category, count = catalog.category[labelled], len(catalog.categories)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(category, weights=values[labelled], minlength=count).astype(np.int64)

    return Popularity(summed(np.ones(len(catalog))), summed(per_item > 0), summed(per_item))


def choose(
    catalog: Catalog | None, interactions: Interactions | None, source: str, target: str, min_items: int
) -> tuple[int, int]:
    """The source and the target category as indices into the catalog's categories.

    ``auto`` as target: the category with the most training interactions. ``auto`` as source: of the
    categories with at least ``min_items`` items that have a training row, the one with the fewest training
    interactions an item. Neither is the other; ties go to the category that the catalog names first.

    Args:
        catalog: whose labels are looked at.
        interactions: whose training part tells what is popular; only looked at for ``auto``.
        source: name or ``auto``.
        target: name or ``auto``.
        min_items: fewer would make the source's share of the lists a matter of chance.

    Raises:
        UserError: no labels, an unknown name, a category without items, or none for ``auto`` to choose.
    """
    if catalog is None or not catalog.categories or not (catalog.category >= 0).any():
        raise UserError(
            "the catalog has no category labels", remedy="use data with categories, or another threat"
        )
    origin, aim = named(catalog, "source", source), named(catalog, "target", target)
    if AUTO not in (source, target):
        return origin, aim
    if interactions is None:
        raise UserError("there are no interactions to tell popular categories by", remedy="name both")
    found = popularity(catalog, interactions)
    if target == AUTO:
        taken = found.taken.copy()
        if origin >= 0:
            taken[origin] = 0
        if not taken.any():
            raise UserError("no category has training interactions", where="target", remedy="name it")
        aim = int(taken.argmax())
    if source == AUTO:
        able = found.known >= min_items
        able[aim] = False
        if not able.any():
            raise UserError(
                f"no category beside '{catalog.categories[aim]}' has {min_items} items with a training row",
                where="source",
                remedy="name it, or lower min_items",
            )
        share = np.where(able, found.taken / np.maximum(found.items, 1), np.inf)
        origin = int(share.argmin())
    return origin, aim


def named(catalog: Catalog, kind: str, name: str) -> int:
    """The index of a category with items, -1 for ``auto``.

    Args:
        catalog: whose labels are looked at.
        kind: the setting that names it, ``source`` or ``target``.
        name: name or ``auto``.

    Raises:
        UserError: an unknown name, or a category without items.
    """
    if name == AUTO:
        return -1
    if name not in catalog.categories:
        raise UserError(
            f"unknown category '{name}'", where=kind, remedy=nearest(name, [*catalog.categories, AUTO])
        )
    index = catalog.categories.index(name)
    if not (catalog.category == index).any():
        raise UserError(f"no item is of the category '{name}'", where=kind, remedy="name another")
    return index
