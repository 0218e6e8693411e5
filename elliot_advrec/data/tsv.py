"""Elliot's interaction files: user, item, rating, timestamp, separated by tabs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.data.rows import COLUMNS, REMEDY, Rows, typed_rows
from elliot_advrec.errors import UserError

ALIASES = {
    "user": "user", "userid": "user", "user_id": "user",
    "item": "item", "itemid": "item", "item_id": "item",
    "rating": "rating", "timestamp": "timestamp",
}  # fmt: skip
MORE = "more"
"""Column that a row has fields in when it is longer than the first."""


def read(path: str | Path) -> pd.DataFrame:
    """Read an interaction file, with or without a header row.

    Returns:
        Columns user (str), item (str), rating (float) and, if the file has them, timestamp (int). Where the
        file has no ratings (two columns, a header without them, or every cell empty) they are NaN, as in
        Elliot, which takes them as 1 once it has filtered.

    Raises:
        UserError: the file cannot be read, or a line is ragged, lacks an id or a number; names the line.
    """
    path = Path(path)
    try:
        first, skipped = _first(path)
        names = _header(first, path, skipped + 1)
        width = len(first)
        if names is None and width not in (2, 3, 4):
            raise UserError(f"{width} columns", where=f"{path}, line {skipped + 1}", remedy=REMEDY)
        columns, skipped = names or list(COLUMNS[:width]), skipped + (names is not None)
        clean = _clean(path, columns, skipped)
        if clean is not None:
            return clean
        cells = _cells(path, columns, skipped)
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), remedy=REMEDY) from error
    return typed_rows(cells, _Lines(path, names is not None))


class _Lines(Rows):
    """What rows of a file are called: it is read again, for only a bad row needs a name."""

    def __init__(self, path: Path, headed: bool) -> None:
        super().__init__(str(path))
        self.path, self.headed = path, headed

    def place(self, row: int) -> str:
        with self.path.open(encoding="utf-8-sig", newline="\n") as stream:
            numbers = (number for number, line in enumerate(stream, 1) if line.strip())
            number = next(number for at, number in enumerate(numbers) if at == row + self.headed)
        return f"{self.name}, line {number}"


def _first(path: Path) -> tuple[list[str], int]:
    """The fields of the first line that is not blank, and how many lines are before it."""
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream):
            if line.strip():
                return [field.strip() for field in line.rstrip("\r\n").split("\t")], number
    raise UserError("holds no interactions", where=str(path), remedy=REMEDY)


def _header(fields: list[str], path: Path, line: int) -> list[str] | None:
    """Column names if the first line names columns, else None."""
    names = [ALIASES.get(field.lower(), field) for field in fields]
    if not {"user", "item"} & set(names):
        return None
    missing = [column for column in ("user", "item") if column not in names]
    if missing:
        raise UserError(f"missing column '{missing[0]}'", where=f"{path}, line {line}", remedy=REMEDY)
    if len(set(names)) < len(names):
        raise UserError("a column is named twice", where=f"{path}, line {line}", remedy=REMEDY)
    return names


def _read_csv(path: Path, names: list[str], skipped: int, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep="\t",
        quoting=csv.QUOTE_NONE,
        lineterminator="\n",
        header=None,
        names=[*names, MORE],
        skiprows=skipped,
        index_col=False,
        keep_default_na=False,
        encoding="utf-8-sig",
        **options,
    )


def _clean(path: Path, names: list[str], skipped: int) -> pd.DataFrame | None:
    """The table of a file without a fault, read in one go; None where one must be looked for."""
    kinds = {"rating": "float64", "timestamp": "int64"}
    try:
        with np.errstate(invalid="ignore"):  # of numbers too large for an int64, which are refused
            found = _read_csv(
                path,
                names,
                skipped,
                na_values=[""],
                dtype={name: kinds.get(name, "category") for name in [*names, MORE]},
                low_memory=False,  # joining the categories of many chunks takes six times as long as reading
            )
    except (ValueError, OverflowError):  # a number that is none, a ragged line, bytes that are no text
        return None
    if found.empty or found[MORE].notna().any():
        return None
    typed: dict[str, np.ndarray] = {}
    for name in COLUMNS:
        if name in kinds and name in found:
            typed[name] = found[name].to_numpy()
            if not np.isfinite(typed[name]).all():
                return None
        elif name in ("user", "item"):
            codes = found[name].cat.codes.to_numpy()
            ids = found[name].cat.categories.astype(str).str.strip()
            if (codes < 0).any() or (ids == "").any():
                return None
            typed[name] = ids.to_numpy(object)[codes]
    typed.setdefault("rating", np.full(len(found), np.nan))
    return pd.DataFrame({name: typed[name] for name in COLUMNS if name in typed})


def _cells(path: Path, names: list[str], skipped: int) -> pd.DataFrame:
    """All cells as stripped text, of a file with some fault or other."""
    wrong = _ragged(path, len(names))
    if wrong is not None:
        raise wrong
    try:
        cells = _read_csv(path, names, skipped, dtype=str)[names].fillna("")
    except pd.errors.EmptyDataError:
        raise UserError("holds no interactions", where=str(path), remedy=REMEDY) from None
    except pd.errors.ParserError as error:
        raise UserError(
            f"cannot be read as a table ({str(error).strip()})", where=str(path), remedy=REMEDY
        ) from None
    cells = cells.apply(lambda column: column.str.strip())
    return cells[(cells != "").any(axis=1)].reset_index(drop=True)  # not lines of tabs alone


def _ragged(path: Path, width: int) -> UserError | None:
    """What to say of the first line that has another number of fields than the first one."""
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            found = len(line.split("\t"))
            if line.strip() and found != width:
                return UserError(
                    f"{found} columns where the first line has {width}",
                    where=f"{path}, line {number}",
                    remedy=REMEDY,
                )
    return None
