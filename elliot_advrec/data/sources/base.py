"""What every source of data is, and what several of them need."""

from __future__ import annotations

import difflib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.component import Component, Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.errors import UserError


class Source(Component, ABC):
    """A kind of data: gives a catalog and, where it has them, interactions.

    Args:
        config: an instance of ``config_class``.
        root: folder that relative paths of the configuration resolve from (the recipe's own).

    Raises:
        TypeError: ``config`` is another component's.
    """

    def __init__(self, config: Config, root: Path) -> None:
        super().__init__(config)
        self.root = Path(root)

    @abstractmethod
    def catalog(self) -> Catalog:
        """Labels and picture readers; decodes no picture.

        Raises:
            UserError: files that are missing or malformed.
        """

    @abstractmethod
    def interactions(self, catalog: Catalog) -> pd.DataFrame | None:
        """Columns user, item (str), rating (float), timestamp (int, absent when unknown), as they were found.

        None when the source has none. Unknown items and repeated pairs stay in: ``interactions.build`` drops
        or refuses them, and says so.

        Raises:
            UserError: files that are missing or malformed.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """JSON-able; changes when what the source reads changes (paths, sizes, modification times)."""

    def resolve(self, path: Path) -> Path:
        """``path``, taken from ``root`` when relative, with ``~`` expanded."""
        path = path.expanduser()
        return path if path.is_absolute() else self.root / path


def existing(path: Path, *, folder: bool) -> Path:
    """``path``, which must be there.

    Raises:
        UserError: it is not; names the closest thing that is.
    """
    if path.is_dir() if folder else path.is_file():
        return path
    kind = "folder" if folder else "file"
    if path.exists():
        raise UserError(f"is not a {kind}", where=str(path))
    above = next(p for p in path.absolute().parents if p.is_dir())
    wanted = path.absolute().relative_to(above).parts[0]
    siblings = [p.name for p in above.iterdir()]
    close = difflib.get_close_matches(wanted, siblings, n=1, cutoff=0.6)
    remedy = f"did you mean '{above / close[0]}'?" if close else f"the last folder there is: '{above}'"
    raise UserError(f"no such {kind}", where=str(path), remedy=remedy)


def stamp(path: Path) -> list[Any]:
    """[path, bytes, modification time in ns] of a file, for fingerprints.

    Raises:
        UserError: there is no such file.
    """
    status = existing(path, folder=False).stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def inside(name: str) -> bool:
    """Whether a relative path with forward slashes stays below the folder it is taken from."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts)


def hashed(item: str) -> int:
    """A 64-bit number decided by an item's id alone, the same on every machine and run."""
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "little")


def split_by_id(ids: Sequence[str]) -> np.ndarray:
    """(N,) splits, 70 % train, 10 % validation, 20 % test in expectation, each decided by the id alone.

    So an item keeps its split when others come or go.
    """
    share = np.array([hashed(item) / 2**64 for item in ids])
    return np.where(share < 0.7, "train", np.where(share < 0.8, "validation", "test"))
