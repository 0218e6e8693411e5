"""Near-duplicate pictures, found by perceptual hash.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagehash
import numpy as np
from PIL import Image

MAX_DISTANCE = 16
TABLES_UP_TO = 5
COLOUR_TOLERANCE = 12
QUERIES = 4096


@dataclass(frozen=True)
class Duplicates:
    """Which of N pictures to keep.

    Args:
        kept: (n,) int64 rows, ascending: the first of each group.
        group: (N,) int64, the kept row that each row is a near-duplicate of (a kept row: itself).
    """

    kept: np.ndarray
    group: np.ndarray

    def pairs(self) -> list[tuple[int, int]]:
        """(dropped row, the kept row it is near) for each dropped one, ascending."""
        dropped = np.flatnonzero(self.group != np.arange(len(self.group)))
        return list(zip(dropped.tolist(), self.group[dropped].tolist(), strict=True))

    def note(self) -> str | None:
        """One line for the report; None when nothing is dropped."""
        pairs = self.pairs()
        if not pairs:
            return None
        return (
            f"{len(pairs)} of {len(self.group)} items were dropped as near-duplicates "
            f"of {len({first for _, first in pairs})} earlier ones (perceptual hash)"
        )


def signature(shown: np.ndarray) -> tuple[int, np.ndarray]:
    """What near-duplicates are found by.

    Args:
        shown: (S, S, 3) uint8.

    Returns:
        The 64-bit DCT hash of the grey picture, and its (3,) uint8 mean colour. The hash alone is blind to
        colour: it takes one cut of shirt in red and in blue for the same picture.
    """
    bits = imagehash.phash(Image.fromarray(shown)).hash
    packed = np.packbits(bits.reshape(-1)).view(">u8")[0]
    return int(packed), shown.reshape(-1, 3).mean(0).round().astype(np.uint8)


def find_duplicates(hashes: np.ndarray, colours: np.ndarray, distance: int) -> Duplicates:
    """Go through the pictures in order and keep each that is not near a picture kept before.

    Near means: the hashes differ in at most ``distance`` bits, and the mean colours by at most 12 of 255 in
    every channel. Exact: up to 5 bits the hashes are looked up in ``distance + 1`` tables of disjoint bits,
    since two that differ in at most ``distance`` bits agree wholly in one of them; beyond, the tables hold so
    few bits each that comparing all pairs is faster.

    Args:
        hashes: (N,) uint64.
        colours: (N, 3) uint8.
        distance: bits, in [0, 16].

    Raises:
        ValueError: a distance out of range.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"distance must lie in [0, {MAX_DISTANCE}], got {distance}")
    group = np.arange(len(hashes))
    if len(hashes) == 0:
        return Duplicates(group, group)
    # Exact repeats are folded first, so that a thousand copies are one entry and not a million pairs.
    keys = np.column_stack([hashes.astype(np.uint64), colours.astype(np.uint64)])
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    leader = _leaders(hashes[first[order]], colours[first[order]].astype(np.int16), distance)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    group = first[order][leader[place[inverse.reshape(-1)]]]
    return Duplicates(np.flatnonzero(group == np.arange(len(group))), group)


def _leaders(hashes: np.ndarray, colours: np.ndarray, distance: int) -> np.ndarray:
    """(n,) for each entry the first kept entry near it, itself when it is kept."""
    import faiss  # late: worker processes hash, and need no index

    packed = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    index: Any
    if distance <= TABLES_UP_TO:
        index = faiss.IndexBinaryMultiHash(64, distance + 1, 64 // (distance + 1))
    else:
        index = faiss.IndexBinaryFlat(64)
    index.add(packed)
    leader = np.full(len(hashes), -1)
    for start in range(0, len(hashes), QUERIES):
        # A faiss radius is exclusive.
        limits, _, found = index.range_search(packed[start : start + QUERIES], distance + 1)
        for row in range(start, min(start + QUERIES, len(hashes))):
            if leader[row] >= 0:
                continue
            near = found[limits[row - start] : limits[row - start + 1]]
            near = near[(near > row) & (leader[near] < 0)]
            alike = np.abs(colours[near] - colours[row]).max(1, initial=0) <= COLOUR_TOLERANCE
            leader[near[alike]] = row
            leader[row] = row
    return leader
