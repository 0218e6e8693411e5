"""Decoded pictures as bytes on disk, read back by row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.errors import UserError

Rows = Sequence[int] | np.ndarray | Tensor


class PixelFile:
    """N x 3 x size x size bytes on disk, row by row, read by offset.

    Nothing is mapped into memory, so a process that walks the whole file stays as small as its batch. May be
    pickled, and read from several threads and processes at once.

    Args:
        path: the file.
        size: side of a picture in pixels.
        count: number of pictures that it must hold.

    Raises:
        UserError: the file is missing or its length is not that of ``count`` pictures.
    """

    def __init__(self, path: Path, size: int, count: int) -> None:
        self.path, self.size, self._count = Path(path), size, count
        self._row_bytes = 3 * size * size
        self._handle: int | None = None
        try:
            found = self.path.stat().st_size
        except OSError as error:
            raise UserError(
                f"the pixel file cannot be read ({error.strerror})",
                where=str(path),
                remedy="delete its folder and run again",
            ) from error
        if found != count * self._row_bytes:
            raise UserError(
                f"the pixel file holds {found} bytes, {count} pictures of {size} x {size} take "
                f"{count * self._row_bytes}",
                where=str(path),
                remedy="it was cut off or changed: delete its folder and run again",
            )

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "size": self.size, "count": self._count}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            os.close(handle)

    def floats(self, rows: Rows) -> Tensor:
        """(B, 3, size, size) float32 in [0, 1], channels-last in memory."""
        return self.bytes(rows).contiguous(memory_format=torch.channels_last).float().div_(255.0)

    def bytes(self, rows: Rows) -> Tensor:
        """(B, 3, size, size) uint8, in the order of ``rows`` (repeats allowed).

        Raises:
            IndexError: a row outside [0, len(self)).
            TypeError: rows that are not whole numbers, such as a mask.
            UserError: the file got shorter since it was opened.
        """
        wanted = np.asarray(rows.cpu() if isinstance(rows, Tensor) else rows).reshape(-1)
        if len(wanted) and wanted.dtype.kind not in "iu":
            raise TypeError(f"rows must be whole numbers, got {wanted.dtype}")
        wanted = wanted.astype(np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < self._count:
            raise IndexError(f"rows must lie in [0, {self._count}), got {wanted.min()}..{wanted.max()}")
        out = np.empty((len(wanted), 3, self.size, self.size), np.uint8)
        # Neighbouring rows are neighbours on disk: one call reads a whole run of them.
        edges = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), len(wanted)]
        for start, stop in pairwise(edges):
            if stop > start:
                self._read(out[start:stop], int(wanted[start]))
        return torch.from_numpy(out)

    def _read(self, into: np.ndarray, row: int) -> None:
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDONLY)
        view, offset = into.data.cast("B"), row * self._row_bytes
        while len(view):
            read = os.preadv(self._handle, [view], offset)
            if read == 0:
                raise UserError("the pixel file got shorter while it was read", where=str(self.path))
            view, offset = view[read:], offset + read
