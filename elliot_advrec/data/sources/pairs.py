"""Who interacted with what, as numbers: how raw files are held, and the filters that papers put on them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Pairs:
    """R interactions, in the order of the file; users and items are numbered in order of first appearance.

    Args:
        users: ids of the users.
        items: ids of the items.
        user: (R,) int64 into ``users``.
        item: (R,) int64 into ``items``.
        rating: (R,) float64.
        timestamp: (R,) int64 seconds since 1970; None where the file has none.
        notes: what was odd about the file; every report says it.
    """

    users: list[str]
    items: list[str]
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    timestamp: np.ndarray | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.user)

    def frame(self, rows: np.ndarray) -> pd.DataFrame:
        """Columns user, item, rating and, where known, timestamp of ``rows`` ((R,) bool)."""
        users, items = np.array(self.users, object), np.array(self.items, object)
        columns = {
            "user": users[self.user[rows]],
            "item": items[self.item[rows]],
            "rating": self.rating[rows],
        }
        if self.timestamp is not None:
            columns["timestamp"] = self.timestamp[rows]
        return pd.DataFrame(columns)


class Collector:
    """Gathers pairs one by one from a file that has no columns; 24 bytes a row."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._user, self._item = array("q"), array("q")
        self._rating, self._timestamp = array("d"), array("q")

    def add(self, user: str, item: str, rating: float = 1.0, timestamp: int | None = None) -> None:
        """One more row; either all rows have a timestamp or the result has none."""
        self._user.append(self._users.setdefault(user, len(self._users)))
        self._item.append(self._items.setdefault(item, len(self._items)))
        self._rating.append(rating)
        if timestamp is not None:
            self._timestamp.append(timestamp)

    def pairs(self, *notes: str) -> Pairs:
        """All rows so far."""
        known = len(self._timestamp) == len(self._user)
        return Pairs(
            list(self._users),
            list(self._items),
            np.array(self._user, np.int64),
            np.array(self._item, np.int64),
            np.array(self._rating, np.float64),
            np.array(self._timestamp, np.int64) if known else None,
            notes,
        )


def frequent(pairs: Pairs, usable: np.ndarray, per_user: int, per_item: int, core: bool) -> np.ndarray:
    """Rows whose user and item interacted often enough, counting each (user, item) once.

    Users with fewer than ``per_user`` different usable items go first, then items with fewer than
    ``per_item`` users that are left; with ``core`` both again, until nothing more goes (the k-core).

    Args:
        pairs: R rows.
        usable: (items,) bool; the others count for nothing.

    Returns:
        (R,) bool.
    """
    kept = usable[pairs.item]
    width = max(len(pairs.items), 1)
    while True:
        codes = np.unique(pairs.user[kept] * width + pairs.item[kept])
        of_user = np.bincount(codes // width, minlength=len(pairs.users)) >= per_user
        codes = codes[of_user[codes // width]]
        of_item = np.bincount(codes % width, minlength=len(pairs.items)) >= per_item
        following = kept & of_user[pairs.user] & of_item[pairs.item]
        if not core or following.sum() == kept.sum():
            return following
        kept = following
