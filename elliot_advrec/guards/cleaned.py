"""Cleaned pictures as files, under the names of those they were made from."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic, disk_error
from elliot_advrec.guards.verdicts import as_images

# What a name can do to a file system that has room and may be written.
NAMES = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


class Cleaned:
    """A folder of cleaned pictures: that of ``shoes/a.jpg`` is ``shoes/a.jpg.png``, so no two are one.

    Args:
        root: the folder; made if need be.
        scanned: the folder that is scanned, which must lie apart: a scan would find its own pictures.

    Raises:
        UserError: one folder lies in the other, or it cannot be made.
    """

    def __init__(self, root: Path, scanned: Path) -> None:
        self.root, self._real = root, os.path.realpath(root)
        other = os.path.realpath(scanned)
        if _below(self._real, other) or _below(other, self._real):
            raise UserError(
                "the cleaned pictures would lie among those that are scanned",
                where=str(root),
                remedy="name a folder apart from them",
            )
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, root) from error

    def write(self, names: Sequence[str], pixels: Tensor) -> dict[int, str]:
        """Write (B, 3, S, S) pictures in [0, 1] as 8-bit PNG; why not, by row, where a name forbids it.

        Raises:
            UserError: the folder cannot be written, the disk is full, or a link in it leads out of it.
        """
        problems = {}
        for row, (name, image) in enumerate(zip(names, as_images(pixels), strict=True)):
            path = self.root / f"{name}.png"
            if not _below(os.path.realpath(path.parent), self._real):
                raise UserError(
                    "a link leads out of the folder of cleaned pictures",
                    where=str(path.parent),
                    remedy="name another --cleaned folder",
                )
            try:
                with atomic(path) as temporary:
                    image.save(temporary, "PNG")
            except UserError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in NAMES:
                    raise
                problems[row] = f"its cleaned picture cannot be written ({cause.strerror})"
        return problems


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
