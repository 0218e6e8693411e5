"""Lists beside what was held out: who hit what at which rank. Every measure is a formula over this."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.metrics.training import Training


@dataclass(frozen=True)
class Hits:
    """Relevant items at ranks, one entry each, ordered by row and then by rank."""

    row: np.ndarray
    """(h,) place of the user among those judged."""
    rank: np.ndarray
    """(h,) rank in the list, 0 the best."""
    item: np.ndarray
    """(h,) item rows."""
    gain: np.ndarray
    """(h,) float64, 2^(rating - threshold + 1) - 1, at least 1."""

    def within(self, k: int) -> Hits:
        """Those at the first ``k`` ranks."""
        return self.only(self.rank < k)

    def only(self, kept: np.ndarray) -> Hits:
        """Those that ``kept`` (h,) bool names."""
        return Hits(self.row[kept], self.rank[kept], self.item[kept], self.gain[kept])


@dataclass(frozen=True)
class Judged:
    """n users' lists, judged."""

    users: np.ndarray
    """(n,) user rows."""
    lists: np.ndarray
    """(n, K) item rows, best first, -1 beyond the end. What comes twice counts twice, as in Elliot."""
    hits: Hits
    """Relevant items in the lists; with ``complete`` ranks also those below rank K."""
    ideal: Hits
    """The user's relevant items in the best order there is."""
    training: Training
    """What is known about training."""

    @cached_property
    def total(self) -> np.ndarray:
        """(n,) relevant items of each user."""
        return np.bincount(self.ideal.row, minlength=len(self.users))

    @cached_property
    def lengths(self) -> np.ndarray:
        """(n,) length of each list."""
        return np.asarray((self.lists >= 0).sum(axis=1))

    @cached_property
    def with_relevant(self) -> Judged:
        """Only the users who have a relevant item, which is where accuracy has a meaning."""
        kept = self.total > 0
        place = np.cumsum(kept) - 1
        return Judged(
            self.users[kept],
            self.lists[kept],
            replace(self.hits, row=place[self.hits.row]),
            replace(self.ideal, row=place[self.ideal.row]),
            self.training,
        )

    def sum(self, hits: Hits, worth: np.ndarray | None = None) -> np.ndarray:
        """(n,) float64, sum of ``worth`` (h,) over each user's hits, best rank first; None: their number."""
        return np.bincount(hits.row, worth, minlength=len(self.users)).astype(np.float64)


def relevant(users: np.ndarray, held: csr_matrix, relevance_threshold: float = 0) -> Hits:
    """Each user's relevant items, the best rating first, equal ones by column.

    Args:
        users: (n,) user rows.
        held: (U, N) held-out ratings; stored entries only count.
        relevance_threshold: the lowest rating that is relevant.
    """
    sizes = np.diff(held.indptr)[users]
    row = np.repeat(np.arange(len(users)), sizes)
    entries = np.repeat(held.indptr[users], sizes) + place_in_group(row)
    item, gain = held.indices[entries].astype(np.int64), _gains(held.data[entries], relevance_threshold)
    order = np.lexsort((item, -gain, row))
    order = order[gain[order] > 0]
    row = row[order]
    return Hits(row, place_in_group(row), item[order], gain[order])


def found(lists: np.ndarray, ideal: Hits, items: int) -> Hits:
    """Which relevant items are in the lists, and where.

    Args:
        lists: (n, K) item rows, -1 beyond the end.
        ideal: the relevant items of the same n users, at least one.
        items: N, the number of item rows.
    """
    keys = ideal.row * np.int64(items) + ideal.item
    order = np.argsort(keys)
    wanted = np.arange(len(lists), dtype=np.int64)[:, None] * items + lists
    at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    row, rank = np.nonzero((keys[order[at]] == wanted) & (lists >= 0))
    return Hits(row, rank, lists[row, rank], ideal.gain[order[at[row, rank]]])


def place_in_group(group: np.ndarray) -> np.ndarray:
    """(m,) how many of the same group (m,), which lie together, come before each."""
    first = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(np.append(first, len(group)))
    return np.arange(len(group)) - np.repeat(first, sizes)


def first_of_its_kind(lists: np.ndarray) -> np.ndarray:
    """(n, K) bool, whether it is an item that is not in the list (n, K) before; -1 is none."""
    order = np.argsort(lists, axis=1, kind="stable")
    ordered = np.take_along_axis(lists, order, axis=1)
    first = ordered >= 0
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    marks = np.empty_like(first)
    np.put_along_axis(marks, order, first, axis=1)
    return marks


def decimals(ratings: np.ndarray) -> np.ndarray:
    """The numbers that were meant, float64: 4.1 where float32 holds 4.0999999."""
    values, where = np.unique(ratings, return_inverse=True)
    return np.array([float(str(value)) for value in values], dtype=np.float64)[where]


def _gains(ratings: np.ndarray, relevance_threshold: float) -> np.ndarray:
    """2^(rating - threshold + 1) - 1 of what is relevant, else 0 (Elliot's discounted relevance)."""
    exact = decimals(ratings)
    return np.where(exact >= relevance_threshold, 2.0 ** (exact - relevance_threshold + 1) - 1, 0.0)
