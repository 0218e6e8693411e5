"""Rows by user, users in the order in which Elliot walks them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

INTEGER = r"-?[0-9]{1,18}"
"""What pandas, and so Elliot, reads as a number that always fits an int64."""


def all_integers(ids: pd.Index | pd.Series) -> bool:
    """Whether Elliot would read these ids (strings) as numbers: all of them are whole numbers."""
    return bool(len(ids)) and bool(pd.Series(ids, dtype=object).str.fullmatch(INTEGER).all())


def sorted_ids(ids: pd.Index) -> np.ndarray:
    """(n,) int64 places of unique ids in ascending order: as numbers where all are, else as text."""
    keys = ids.astype("int64") if all_integers(ids) else ids.astype(object)
    return np.argsort(np.asarray(keys), kind="stable")


@dataclass(frozen=True)
class ByUser:
    """The n rows of a table by their U users.

    Args:
        codes: (n,) int64, each row's user; 0 is the user whom Elliot's ``groupby`` meets first.
        sizes: (U,) int64 rows of each user.
    """

    codes: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, users: pd.Series) -> ByUser:
        """Group a column of user ids."""
        found, names = pd.factorize(users)
        order = sorted_ids(pd.Index(names))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        codes = place[found]
        return cls(codes, np.bincount(codes, minlength=len(order)))

    @property
    def ends(self) -> np.ndarray:
        """(U,) int64: where each user's rows end when the table is sorted by user."""
        return np.cumsum(self.sizes)

    def sorted(self, key: np.ndarray | None = None) -> np.ndarray:
        """(n,) int64 row positions by user, within a user by ``key`` (n,), equal ones as they stand."""
        return np.argsort(self.codes, kind="stable") if key is None else np.lexsort((key, self.codes))

    def ranks(self, order: np.ndarray) -> np.ndarray:
        """(n,) int64: place, from 0, of each row among its user's rows in the order of ``sorted``."""
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order)) - np.repeat(self.ends - self.sizes, self.sizes)
        return ranks
