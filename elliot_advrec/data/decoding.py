"""Decoding a batch of pictures, and the account of all that were decoded.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.catalog import Skipped
from elliot_advrec.data.duplicates import signature
from elliot_advrec.data.pictures import Picture
from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Batch:
    """What a run of neighbouring pictures gave.

    Args:
        start: row of the first of them.
        count: how many there were, bad ones included.
        good: offsets from ``start`` of those that could be decoded.
        pixels: (len(good), 3, size, size) uint8.
        bad: (offset, path, reason) of the others.
        hashes: (len(good),) uint64 perceptual hashes; empty when not asked for.
        colours: (len(good), 3) uint8 mean colours; empty when not asked for.
    """

    start: int
    count: int
    good: list[int]
    pixels: np.ndarray
    bad: list[tuple[int, str, str]]
    hashes: np.ndarray
    colours: np.ndarray


@dataclass
class Decoded:
    """Running account of a decoding: which rows were good, and what was wrong with the others."""

    good: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    _hashes: list[np.ndarray] = field(default_factory=list)
    _colours: list[np.ndarray] = field(default_factory=list)

    def add(self, batch: Batch, ids: Sequence[str]) -> None:
        """Enter one batch; batches come in the order of their rows."""
        self.good.extend(batch.start + offset for offset in batch.good)
        self.skipped.extend(Skipped(ids[batch.start + o], path, reason) for o, path, reason in batch.bad)
        self._hashes.append(batch.hashes)
        self._colours.append(batch.colours)

    @property
    def rows(self) -> np.ndarray:
        """(n,) int64 rows of the good pictures, ascending."""
        return np.asarray(self.good, np.int64)

    @property
    def hashes(self) -> np.ndarray:
        """(n,) uint64."""
        return np.concatenate(self._hashes)

    @property
    def colours(self) -> np.ndarray:
        """(n, 3) uint8."""
        return np.concatenate(self._colours)

    def note(self, total: int) -> str | None:
        """One line for the report; None when nothing was dropped."""
        if not self.skipped:
            return None
        first = self.skipped[0]
        return (
            f"{len(self.skipped)} of {total} items were dropped because their picture cannot be used "
            f"(first: '{first.id}', {first.path}: {first.reason})"
        )

    def error(self, total: int, what: str) -> UserError:
        """The refusal that names the first bad picture and how many there are."""
        first = self.skipped[0]
        return UserError(
            f"{what}: {first.reason} ({len(self.skipped)} bad of {total})",
            where=first.path,
            remedy="mend or remove these files",
        )


def decode_batch(pictures: Sequence[Picture], start: int, size: int, hashed: bool) -> Batch:
    """Decode some pictures; a bad one is entered and does not stop the others."""
    good: list[int] = []
    bad: list[tuple[int, str, str]] = []
    pixels = np.empty((len(pictures), 3, size, size), np.uint8)
    hashes, colours = np.empty(len(pictures), np.uint64), np.empty((len(pictures), 3), np.uint8)
    for offset, picture in enumerate(pictures):
        try:
            shown = picture.load(size)
        except BadImage as error:
            bad.append((offset, error.path, error.reason))
            continue
        if shown.shape != (size, size, 3) or shown.dtype != np.uint8:
            raise ValueError(
                f"{type(picture).__name__}.load must give ({size}, {size}, 3) uint8, "
                f"got {shown.shape} {shown.dtype}"
            )
        row = len(good)
        pixels[row] = shown.transpose(2, 0, 1)
        if hashed:
            hashes[row], colours[row] = signature(shown)
        good.append(offset)
    n, m = len(good), len(good) if hashed else 0
    return Batch(start, len(pictures), good, pixels[:n], bad, hashes[:m], colours[:m])
