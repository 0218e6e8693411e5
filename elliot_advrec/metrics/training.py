"""What measures need to know about training: how popular items are, and who had seen what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

#: Share of all training interactions that the short head holds (Elliot's ``pop_ratio``).
HEAD_SHARE = 0.8


@dataclass(frozen=True)
class Training:
    """The training part, as popularity, novelty and bias measures see it.

    Ratings do not matter here: an interaction is a stored entry.
    """

    train: csr_matrix
    """(U, N), stored entries are interactions."""
    items: int
    """How many items lists are drawn from; Elliot's ``num_items``."""
    users: int
    """Users with a training interaction."""

    @classmethod
    def of(cls, train: csr_matrix, items: int | None = None) -> Training:
        """Count what ``train`` holds.

        Args:
            train: (U, N), sorted by column within each row or not.
            items: how many items lists are drawn from; None: those with an interaction, as Elliot counts.
        """
        if not train.has_sorted_indices:
            train = train.sorted_indices()
        if items is None:
            items = len(np.unique(train.indices))
        return cls(train, items, int((np.diff(train.indptr) > 0).sum()))

    @cached_property
    def popularity(self) -> np.ndarray:
        """(N,) int64, users of each item."""
        return np.bincount(self.train.indices, minlength=self.train.shape[1])

    @cached_property
    def sizes(self) -> np.ndarray:
        """(U,) items of each user."""
        return np.diff(self.train.indptr)

    @cached_property
    def rarity(self) -> np.ndarray:
        """(N,) share of users who do not know the item, in [0, 1] (Vargas & Castells 2011, eq. of EPC)."""
        return np.asarray(1 - self.popularity / max(self.users, 1))

    @cached_property
    def surprise(self) -> np.ndarray:
        """(N,) -log2 of the item's share of interactions, at least 0; items without any count as the rarest.

        Source: Vargas & Castells 2011, EFD.
        """
        known = np.where(self.popularity > 0, self.popularity, np.inf)
        rarest = int(known.min()) if self.train.nnz else 1
        counts = np.where(self.popularity > 0, self.popularity, rarest)
        return -np.log(counts / max(self.train.nnz, 1)) / np.log(2)

    @cached_property
    def head(self) -> np.ndarray:
        """(N,) bool, the fewest most popular items that hold 80 % of interactions; equal ones by column."""
        order = np.argsort(-self.popularity, kind="stable")
        before = np.cumsum(self.popularity[order]) - self.popularity[order]
        head = np.zeros(len(order), dtype=bool)
        head[order[before < self.train.nnz * HEAD_SHARE]] = True
        return head & (self.popularity > 0)

    @cached_property
    def tail(self) -> np.ndarray:
        """(N,) bool, items with an interaction that are not in the head."""
        return ~self.head & (self.popularity > 0)


def stored_at(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where in ``matrix.data`` each (row, column) is stored; -1 where it is not.

    Args:
        matrix: (U, N) with sorted indices and no entry stored twice.
        rows: any shape, in [0, U).
        columns: the same shape, below N; negative ones are stored nowhere.
    """
    width = np.int64(matrix.shape[1])
    owner = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys = owner * width + matrix.indices
    wanted = np.asarray(rows, dtype=np.int64) * width + columns
    at = np.searchsorted(keys, wanted)
    found = np.zeros(wanted.shape, dtype=bool)
    if len(keys):
        found = (keys[np.minimum(at, len(keys) - 1)] == wanted) & (np.asarray(columns) >= 0)
    return np.where(found, at, -1)
