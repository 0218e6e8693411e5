"""What shows an item: a picture reader, and long sequences of them that stay small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from elliot_advrec.data.images import Box, decode


class Picture(Protocol):
    """Something that can show one item; must be picklable, worker processes call it."""

    def load(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB.

        Raises:
            BadImage: the picture cannot be used.
        """
        ...


@dataclass(frozen=True)
class FilePicture:
    """A picture in a file.

    Args:
        path: the file.
        box: the region to show, as ``images.decode`` takes it.
    """

    path: str
    box: Box | None = None

    def load(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB; raises ``BadImage``."""
        return decode(self.path, size, self.box)


class FilePictures(Sequence[FilePicture]):
    """Many files below one folder, held as names so that 300,000 of them stay small.

    Args:
        root: the folder.
        names: N paths relative to it.
        boxes: (N, 4) left, top, right, bottom in pixels, or None.
    """

    def __init__(self, root: Path, names: Sequence[str], boxes: np.ndarray | None = None) -> None:
        if boxes is not None and boxes.shape != (len(names), 4):
            raise ValueError(f"boxes must be ({len(names)}, 4), got {boxes.shape}")
        self._root, self._names, self._boxes = str(root), names, boxes

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> FilePicture: ...
    @overload
    def __getitem__(self, index: slice) -> list[FilePicture]: ...
    def __getitem__(self, index: int | slice) -> FilePicture | list[FilePicture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self._boxes is None:
            box = None
        else:
            left, top, right, bottom = self._boxes[index].tolist()
            box = (left, top, right, bottom)
        return FilePicture(f"{self._root}/{self._names[index]}", box)


class Chosen(Sequence[Picture]):
    """Some pictures of a sequence, in the order of ``rows``, looked up when asked for."""

    def __init__(self, pictures: Sequence[Picture], rows: np.ndarray) -> None:
        self._pictures, self._rows = pictures, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self._pictures[int(row)] for row in self._rows[index]]
        return self._pictures[int(self._rows[index])]
