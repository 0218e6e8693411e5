"""A folder of pictures: which files count, what their folders mean, what their items are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from elliot_advrec.data.bad_images import EXTENSIONS
from elliot_advrec.errors import UserError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Tree:
    """The pictures below a folder.

    Args:
        names: paths relative to the folder, with forward slashes, sorted.
        ignored: number of entries passed over: hidden ones, other files, links to folders inside.
    """

    names: list[str]
    ignored: int


def walk(root: Path) -> Tree:
    """All pictures below ``root`` by their extension (in either case).

    Raises:
        UserError: a link leads out of ``root``, a folder cannot be read, or a name is not UTF-8.
    """
    names: list[str] = []
    ignored = 0
    real = os.path.realpath(root)
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            raise UserError(f"cannot be read ({error.strerror})", where=str(root / folder)) from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                ignored += 1
                continue
            if entry.is_symlink() and not _below(os.path.realpath(entry.path), real):
                raise UserError(
                    "this link leads out of the image folder",
                    where=entry.path,
                    remedy="copy the file in, or name the folder that holds it",
                )
            if entry.is_dir(follow_symlinks=False):
                pending.append(name)
            elif PurePosixPath(name).suffix.lower() in EXTENSIONS and _is_file(entry):
                names.append(_printable(name, entry.path))
            else:
                ignored += 1
    return Tree(sorted(names), ignored)


def item_ids(names: Sequence[str]) -> list[str]:
    """An id for each picture: its bare name where no other has it, else its path; both without extension.

    Two files that differ in the extension alone keep it.
    """
    stems = [PurePosixPath(name).stem for name in names]
    paths = [str(PurePosixPath(name).with_suffix("")) for name in names]
    same_stem, same_path = Counter(stems), Counter(paths)
    return [
        stem if same_stem[stem] == 1 else path if same_path[path] == 1 else name
        for name, stem, path in zip(names, stems, paths, strict=True)
    ]


def layout(names: Sequence[str], root: Path) -> tuple[np.ndarray | None, list[str | None]]:
    """What the folders mean: ``split/category/file``, ``category/file`` or bare files.

    The first level is the split when every folder there is called train, validation or test (or training,
    val, valid, testing); folders below one another make one category, ``shoes/boots``.

    Returns:
        (N,) splits or None when there are no split folders, and N category names, None for bare files.

    Raises:
        UserError: folders named for a split stand beside others or beside bare pictures.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    top = {parts[0] if parts else "" for parts in folders}
    named = {folder for folder in top if folder.lower() in SPLIT_NAMES}
    if named and named != top:
        others = sorted(top - named)
        beside = f"folder '{others[0]}'" if others[0] else "pictures without a folder"
        raise UserError(
            f"the split folder '{min(named)}' stands beside {beside}",
            where=str(root),
            remedy="use split folders (train, validation, test) throughout or not at all",
        )
    splits = None
    if named:
        splits = np.array([SPLIT_NAMES[parts[0].lower()] for parts in folders], dtype="U10")
        folders = [parts[1:] for parts in folders]
    return splits, ["/".join(parts) or None for parts in folders]


def digest(root: Path, names: Sequence[str]) -> str:
    """A hash that changes when a picture is added, removed, replaced or touched."""
    total = hashlib.blake2b(digest_size=16)
    for name in names:
        try:
            status = os.stat(f"{root}/{name}")
            total.update(f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}\n".encode())
        except (OSError, ValueError):  # no such file, or a name that no file can have
            total.update(f"{name}\x1fmissing\n".encode())
    return total.hexdigest()


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _printable(name: str, path: str) -> str:
    """Ids go into tab-separated files and JSON, so a name must survive both."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError("the file name is not UTF-8", where=ascii(path), remedy="rename it") from None
    if any(mark in name for mark in "\t\r\n"):
        raise UserError("the file name holds a tab or a line break", where=ascii(path), remedy="rename it")
    return name
