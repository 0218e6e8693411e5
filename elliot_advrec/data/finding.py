"""The pictures of a folder, one after the other, in an order that nothing but their names decides.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from elliot_advrec.data.bad_images import EXTENSIONS, BadImage
from elliot_advrec.data.images import decode
from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Found:
    """A file that is named as pictures are.

    Args:
        root: the folder that was searched.
        name: path below it, with forward slashes; bytes that are not UTF-8 as ``os.fsdecode`` has them.
        size: in bytes; -1 where the file system does not say.
        changed: nanoseconds since the epoch.
        problem: why it is not to be read, where that is known already.
    """

    root: str
    name: str
    size: int
    changed: int
    problem: str | None = None

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"{self.root}/{self.name}"

    @property
    def place(self) -> tuple[str, ...]:
        """What the order goes by."""
        return place(self.name)

    def load(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB; raises ``BadImage``."""
        if self.problem is not None:
            raise BadImage(self.path, self.problem)
        try:
            return decode(self.path, size)
        except MemoryError:
            raise BadImage(self.path, "no memory to decode it") from None


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def place(name: str) -> tuple[str, ...]:
    """What the order of names goes by: folder by folder."""
    return tuple(name.split("/"))


class Pictures:
    """All pictures below ``root`` by their extension (in either case), found anew in every iteration.

    No more is held than the names of the folders on the way down. Links to folders are not followed, so none
    can lead in circles; a link to a file elsewhere, and a folder that cannot be read, are found with a
    ``problem``. Hidden files and folders are passed over, as a catalog of a folder passes over them.

    Args:
        root: the folder.

    Attributes:
        ignored: how many other files, hidden ones and links to folders the last iteration passed over.

    Raises:
        UserError: no such folder, or one that cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "no such folder"
            raise UserError(what, where=str(root), remedy="name a folder of pictures")
        self.root, self.ignored = str(root), 0
        self._real = os.path.realpath(root)

    def __iter__(self) -> Iterator[Found]:
        self.ignored = 0
        try:
            pending = [self._entries("")]
        except OSError as error:
            raise UserError(f"cannot be read ({error.strerror})", where=self.root) from None
        while pending:
            entry = next(pending[-1][1], None)
            if entry is None:
                pending.pop()
                continue
            above = pending[-1][0]
            name = f"{above}/{entry.name}" if above else entry.name
            if entry.name.startswith("."):
                self.ignored += 1
            elif entry.is_dir(follow_symlinks=False):
                try:
                    pending.append(self._entries(name))
                except OSError as error:
                    why = f"the folder cannot be read ({error.strerror})"
                    yield Found(self.root, name, -1, 0, why)
            elif PurePosixPath(entry.name).suffix.lower() in EXTENSIONS and not leads_to_folder(entry):
                yield self._found(name, entry)
            else:
                self.ignored += 1

    def _entries(self, folder: str) -> tuple[str, Iterator[os.DirEntry[str]]]:
        with os.scandir(f"{self.root}/{folder}" if folder else self.root) as entries:
            return folder, iter(sorted(entries, key=lambda entry: entry.name))

    def _found(self, name: str, entry: os.DirEntry[str]) -> Found:
        problem = None
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if not real.startswith(self._real.rstrip("/") + "/"):
                problem = "the link leads out of the folder"
        try:
            status = entry.stat()
        except OSError:
            return Found(self.root, name, -1, 0, problem)  # decoding will say what is wrong
        return Found(self.root, name, status.st_size, status.st_mtime_ns, problem)
