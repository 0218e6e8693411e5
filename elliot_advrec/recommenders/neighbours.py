"""Neighbour lists over a catalog of which some items may have changed since it was indexed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from elliot_advrec.recommenders.item_index import Searcher

#: Candidates fetched beyond k. They are scored again, pair by pair in a fixed order of summation, so that a
#: list does not depend on how queries were batched nor on which items were swapped in.
SLACK = 8
#: How far a blocked matrix product may stray from the pairwise score of unit vectors.
TOLERANCE = 1e-5
FLOATS_AT_ONCE = 1 << 24
#: Numbers of candidates gathered at once: little enough to stay in the cache, and in memory already there.
GATHERED_AT_ONCE = 1 << 19


def _no_rows() -> np.ndarray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Neighbours:
    """An index over ``base`` plus the items that differ from it.

    Lists are ordered by similarity, equal similarities by row.
    """

    base: np.ndarray
    """(N, D) float32 unit vectors that the index holds."""
    index: Searcher
    """Search over ``base``."""
    changed: np.ndarray = field(default_factory=_no_rows)
    """(n,) sorted rows that differ from ``base``."""
    vectors: np.ndarray | None = None
    """(n, D) float32 unit vectors of the changed rows."""

    def __len__(self) -> int:
        return len(self.base)

    def of(self, rows: np.ndarray) -> np.ndarray:
        """(*rows.shape, D) unit vectors as they are now."""
        found = self.base[rows]
        if self.vectors is not None:
            place, is_changed = self._place(rows)
            found[is_changed] = self.vectors[place[is_changed]]
        return found

    def present(self) -> np.ndarray:
        """(N, D) all unit vectors as they are now; not to be changed."""
        return self.base if self.vectors is None else self.of(np.arange(len(self)))

    def replaced(self, rows: np.ndarray, vectors: np.ndarray) -> Neighbours:
        """The catalog with these (distinct) rows changed to these unit vectors; the index is shared."""
        changed = np.union1d(self.changed, rows)
        merged = self.of(changed)
        merged[np.searchsorted(changed, rows)] = vectors
        return Neighbours(self.base, self.index, changed, merged)

    def nearest(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest items of each row, itself excluded.

        Returns:
            (B, k) int64 rows and (B, k) float32 cosines, best first; k is at most N - 1. Where an approximate
            index finds fewer, the rest is row -1 with similarity -inf.
        """
        k = max(0, min(k, len(self) - 1))
        blocks = []
        for block in self._blocks(rows, 2 * k):
            candidates = [self._unchanged(block, k), self._contestants(block, self.changed, k)]
            blocks.append(self._ranked(block, np.hstack(candidates), k))
        return _stacked(blocks, k)

    def merged(
        self, rows: np.ndarray, lists: np.ndarray, newcomers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lists after ``newcomers`` (changed rows that are in none of them) have competed for a place."""
        k = lists.shape[1]
        blocks = []
        start = 0
        for block in self._blocks(rows, 2 * k):
            held = lists[start : start + len(block)]
            blocks.append(self._ranked(block, np.hstack([held, self._contestants(block, newcomers, k)]), k))
            start += len(block)
        return _stacked(blocks, k)

    def _blocks(self, rows: np.ndarray, width: int) -> list[np.ndarray]:
        size = max(1, FLOATS_AT_ONCE // max(1, width * self.base.shape[1]))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each row would stand among the changed ones, and whether it does."""
        if not len(self.changed):
            return np.zeros_like(rows), np.zeros(rows.shape, dtype=bool)
        place = np.minimum(np.searchsorted(self.changed, rows), len(self.changed) - 1)
        return place, self.changed[place] == rows

    def _unchanged(self, rows: np.ndarray, k: int) -> np.ndarray:
        """(B, k + SLACK) nearest rows among those that are as the index has them, -1 beyond the last."""
        total, queries = len(self), self.of(rows)
        available = total - len(self.changed) - (~self._place(rows)[1]).astype(np.int64)
        found = np.full((len(rows), k + SLACK), -1, dtype=np.int64)
        pending, want = np.arange(len(rows)), k + 2 * SLACK + 1
        while len(pending):
            want = min(want, total)
            ids = self.index.search(queries[pending], want)
            ids[(ids == rows[pending, None]) | self._place(ids)[1]] = -1
            valid_first = np.argsort(ids < 0, axis=1, kind="stable")[:, : k + SLACK]
            best = np.take_along_axis(ids, valid_first, axis=1)
            found[pending, : best.shape[1]] = best
            enough = (ids >= 0).sum(axis=1) >= np.minimum(k + SLACK, available[pending])
            pending = pending[~enough] if want < total else pending[:0]
            want *= 2
        return found

    def _contestants(self, rows: np.ndarray, among: np.ndarray, k: int) -> np.ndarray:
        """(B, <= k + SLACK) the nearest of ``among`` (changed rows), -1 for the row itself."""
        width = min(len(among), k + SLACK)
        if not width:
            return np.empty((len(rows), 0), dtype=np.int64)
        similarity = self.of(rows) @ self.of(among).T
        similarity[rows[:, None] == among[None, :]] = -np.inf
        best = among[np.argpartition(-similarity, width - 1, axis=1)[:, :width]]
        return np.where(best == rows[:, None], -1, best)

    def _ranked(self, rows: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The best k of distinct candidates (-1: none), by their pairwise scores."""
        similarity = np.empty(candidates.shape, dtype=np.float32)
        step = max(1, GATHERED_AT_ONCE // max(1, candidates.shape[1] * self.base.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            gathered = self.of(np.maximum(candidates[part], 0))
            np.einsum("bd,bkd->bk", self.of(rows[part]), gathered, out=similarity[part])
        similarity[candidates < 0] = -np.inf
        order = np.lexsort((candidates, -similarity), axis=-1)[:, :k]
        return np.take_along_axis(candidates, order, 1), np.take_along_axis(similarity, order, 1)


def _stacked(blocks: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    if not blocks:
        return np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32)
    ids, similarities = zip(*blocks, strict=True)
    return np.vstack(ids), np.vstack(similarities)
