"""DeepFashion's list files: a line with the count, a line of column names, then that many rows.

Nothing is held but what is asked for: the attribute list alone is 289,222 rows of 1,000 values.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from elliot_advrec.data.sources.base import existing, inside
from elliot_advrec.errors import UserError

TEXTURE = 1
VALUES = frozenset({"-1", "0", "1"})
PARTITIONS = {"train": "train", "val": "validation", "test": "test"}


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of each row; blank lines are passed over.

    Raises:
        UserError: the file is missing or not UTF-8, or its first line is not the number of its rows.
    """
    existing(path, folder=False)
    found, number = 0, 0
    try:
        with path.open(encoding="utf-8") as stream:
            stated = stream.readline().strip()
            if not stated.isdecimal():
                raise UserError(
                    f"the first line must be the number of rows, got '{stated[:40]}'", where=f"{path}:1"
                )
            stream.readline()
            for number, line in enumerate(stream, 3):
                if text := line.strip():
                    found += 1
                    yield number, text
    except UnicodeDecodeError:
        raise UserError("the file is not UTF-8 text", where=f"{path}, after line {number}") from None
    if found != int(stated):
        raise UserError(
            f"the first line states {int(stated)} rows, the file holds {found}",
            where=str(path),
            remedy="it was cut off or changed: unpack the archive again",
        )


def categories(path: Path) -> list[str]:
    """Names in the order of their (1-based) numbers, from ``list_category_cloth.txt``."""
    return [_split(path, number, text, 1)[0] for number, text in lines(path)]


def attributes(path: Path) -> tuple[list[str], np.ndarray]:
    """All attribute names, and the columns of those that are textures, from ``list_attr_cloth.txt``."""
    names: list[str] = []
    columns: list[int] = []
    for number, text in lines(path):
        name, kind = _split(path, number, text, 1)
        if _integer(path, number, kind) == TEXTURE:
            columns.append(len(names))
        names.append(name)
    return names, np.array(columns, np.int64)


def pictures(path: Path, n_categories: int) -> tuple[list[str], np.ndarray]:
    """Names, in the order of the rows, and (N,) int64 categories from 0, from ``list_category_img.txt``.

    Raises:
        UserError: a name that comes twice or leads out of the archive, or a category out of range.
    """
    names: dict[str, None] = {}
    labels = array("q")
    for number, text in lines(path):
        name, label = _split(path, number, text, 1)
        if not inside(name):
            raise UserError(f"the path '{name}' leads out of the archive", where=f"{path}:{number}")
        if name in names:
            raise UserError(f"the picture '{name}' comes twice", where=f"{path}:{number}")
        value = _integer(path, number, label)
        if not 1 <= value <= n_categories:
            raise UserError(f"category {value} is not in 1..{n_categories}", where=f"{path}:{number}")
        names[name] = None
        labels.append(value - 1)
    return list(names), np.array(labels, np.int64)


def partition(path: Path, rows: Mapping[str, int]) -> np.ndarray:
    """(N,) splits, from ``list_eval_partition.txt``."""
    split = np.full(len(rows), "", dtype="U10")
    for number, text in lines(path):
        name, value = _split(path, number, text, 1)
        if value not in PARTITIONS:
            raise UserError(
                f"unknown partition '{value}'", where=f"{path}:{number}", remedy="train, val or test"
            )
        split[_row(path, number, name, rows)] = PARTITIONS[value]
    _complete(path, split != "", rows)
    return split


def boxes(path: Path, rows: Mapping[str, int]) -> np.ndarray:
    """(N, 4) float64 left, top, right, bottom in pixels, from ``list_bbox.txt``."""
    found = np.full((len(rows), 4), np.nan)
    for number, text in lines(path):
        name, *values = _split(path, number, text, 4)
        box = [_integer(path, number, value) for value in values]
        if box[0] >= box[2] or box[1] >= box[3]:
            raise UserError(f"the box {tuple(box)} is empty", where=f"{path}:{number}")
        found[_row(path, number, name, rows)] = box
    _complete(path, ~np.isnan(found[:, 0]), rows)
    return found


def positives(path: Path, rows: Mapping[str, int], n_attributes: int, columns: np.ndarray) -> sp.csr_matrix:
    """(N, len(columns)) bool: which of some attributes each picture has, from ``list_attr_img.txt``.

    Args:
        path: the file; every row holds a name and -1, 0 or 1 for each attribute.
        rows: row of each picture.
        n_attributes: values in a row.
        columns: (A,) attributes to keep.
    """
    seen = np.zeros(len(rows), bool)
    across, down = array("q"), array("q")
    wanted = columns.tolist()
    for number, text in lines(path):
        name, _, rest = text.partition(" ")
        row = _row(path, number, name, rows)
        values = rest.split()
        if len(values) != n_attributes or not VALUES.issuperset(values):
            raise UserError(
                f"the row must hold a name and {n_attributes} values of -1, 0 or 1", where=f"{path}:{number}"
            )
        positive = [index for index, column in enumerate(wanted) if values[column] == "1"]
        across.extend(positive)
        down.extend([row] * len(positive))
        seen[row] = True
    _complete(path, seen, rows)
    shape = (len(rows), len(columns))
    return sp.csr_matrix(
        (np.ones(len(down), bool), (np.array(down, np.int64), np.array(across, np.int64))), shape
    )


def _split(path: Path, number: int, text: str, values: int) -> list[str]:
    """A name, which may hold spaces, and the values behind it."""
    parts = text.rsplit(None, values)
    if len(parts) != values + 1:
        raise UserError(
            f"the row must hold a name and {values} value(s), got '{text[:80]}'", where=f"{path}:{number}"
        )
    return parts


def _integer(path: Path, number: int, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"'{text}' is not a whole number", where=f"{path}:{number}") from None


def _row(path: Path, number: int, name: str, rows: Mapping[str, int]) -> int:
    try:
        return rows[name]
    except KeyError:
        raise UserError(
            f"the picture '{name[:120]}' is not in list_category_img.txt", where=f"{path}:{number}"
        ) from None


def _complete(path: Path, there: np.ndarray, rows: Mapping[str, int]) -> None:
    if not there.all():
        names: Sequence[str] = list(rows)
        first = names[int(np.argmin(there))]
        raise UserError(
            f"{int((~there).sum())} pictures are missing, the first is '{first}'", where=str(path)
        )
