"""DVBPR's ``*ImgPartitioned.npy``: interactions, their split and JPEG images in one pickled object array.

Kang, Fang, Wang, McAuley: Visually-Aware Fashion Recommendation and Design with Generative Image Models, ICDM
2017. The array holds six objects: training, validation and test interactions (user -> list of mappings with
``productid``), the items (number -> mapping with ``imgs``, the JPEG bytes, and maybe ``c``, the category as
one of n), the number of users and the number of items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from elliot_advrec.data.features.plain_pickle import load
from elliot_advrec.data.features.plain_values import Blob, Refused
from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError

PARTS = ("train", "validation", "test")
FORM = "a file of DVBPR holds six objects: three parts of interactions, the items, and how many of each"


@dataclass(frozen=True)
class Partitioned:
    """What the file holds.

    Args:
        users: how many; they are numbered from 0.
        items: how many; likewise.
        parts: (R, 2) int64 of user and item, for each of ``PARTS``.
        images: where the JPEG of each item lies in the file; items without one are absent.
        category: (items,) int64, -1 where unknown.
    """

    users: int
    items: int
    parts: dict[str, np.ndarray]
    images: dict[int, Blob]
    category: np.ndarray


def read_partitioned(path: Path) -> Partitioned:
    """Read a file of DVBPR; images stay on disk, and no part of the pickle is executed.

    Raises:
        UserError: no such file; not an object array; a pickle that names anything beside arrays and built-in
            values (the sentence names it) or is damaged; contents of another form, or out of range.
    """
    existing(path, folder=False)
    with path.open("rb") as stream:
        try:
            _header(stream)
            return _checked(load(stream), path.stat().st_size)
        except Refused as error:
            raise UserError(
                f"the pickle was refused: {error}",
                where=str(path),
                remedy="only arrays and built-in values are read; nothing in the file was executed",
            ) from error
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise UserError(f"is not a file of DVBPR ({error})", where=str(path), remedy=FORM) from error


def _header(stream: BinaryIO) -> None:
    read = np.lib.format
    version = read.read_magic(stream)
    _, _, kind = (
        read.read_array_header_1_0(stream) if version == (1, 0) else read.read_array_header_2_0(stream)
    )
    if not kind.hasobject:
        raise ValueError(f"it is an array of {kind}, not of objects")


def _checked(held: Any, size: int) -> Partitioned:
    if not isinstance(held, list) or len(held) != 6:
        raise ValueError(
            f"it holds a {type(held).__name__}" + (f" of {len(held)}" if hasattr(held, "__len__") else "")
        )
    users, items = int(held[4]), int(held[5])
    if users < 1 or items < 1 or users + items > size:  # each takes a byte at the very least
        raise ValueError(f"it counts {users} users and {items} items in {size} bytes")
    parts = {}
    for name, part in zip(PARTS, held[:3], strict=True):
        rows = np.array(list(_pairs(part)), np.int64).reshape(-1, 2)
        if len(rows) and not (rows.min() >= 0 and rows[:, 0].max() < users and rows[:, 1].max() < items):
            raise ValueError(f"a user or item of its {name} part is out of range")
        parts[name] = rows
    images: dict[int, Blob] = {}
    category = np.full(items, -1, np.int64)
    for key, entry in _entries(held[3]):
        item = int(key)
        if not 0 <= item < items:
            raise ValueError(f"the item {item} is out of range")
        picture = entry.get("imgs") if isinstance(entry, dict) else None
        if isinstance(picture, Blob):
            images[item] = picture
        kind = entry.get("c") if isinstance(entry, dict) else None
        if isinstance(kind, np.ndarray) and kind.size:
            category[item] = int(kind.argmax())
    return Partitioned(users, items, parts, images, category)


def _pairs(part: Any) -> Iterator[tuple[int, int]]:
    for user, entries in _entries(part):
        for entry in entries:
            yield int(user), int(entry["productid"] if isinstance(entry, dict) else entry)


def _entries(part: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(part, dict | list):
        raise ValueError(f"a {type(part).__name__} stands where a mapping or a list must")
    return iter(part.items() if isinstance(part, dict) else enumerate(part))
