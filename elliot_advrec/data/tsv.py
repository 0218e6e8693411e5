"""Elliot's interaction files: user, item, rating, timestamp, separated by tabs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from elliot_advrec.errors import UserError

COLUMNS = ("user", "item", "rating", "timestamp")
ALIASES = {
    "user": "user", "userid": "user", "user_id": "user",
    "item": "item", "itemid": "item", "item_id": "item",
    "rating": "rating", "timestamp": "timestamp",
}  # fmt: skip
REMEDY = "a row is user, item, rating and maybe timestamp, separated by tabs"


def read(path: str | Path) -> pd.DataFrame:
    """Read an interaction file, with or without a header row.

    Returns:
        Columns user (str), item (str), rating (float) and, if the file has them, timestamp (int).

    Raises:
        UserError: the file cannot be read, or a line is ragged, lacks an id or a number; names the line.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), remedy=REMEDY) from error
    lines = text.split("\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    rows = [[field.strip() for field in lines[number - 1].split("\t")] for number in numbers]
    if not rows:
        raise UserError("holds no interactions", where=str(path), remedy=REMEDY)
    names = _header(rows[0], path)
    if names is None:
        width = len(rows[0])
        if width not in (3, 4):
            raise UserError(f"{width} columns", where=f"{path}, line {numbers[0]}", remedy=REMEDY)
        names = list(COLUMNS[:width])
    else:
        rows, numbers = rows[1:], numbers[1:]
    for number, fields in zip(numbers, rows, strict=True):
        if len(fields) != len(names):
            raise UserError(
                f"{len(fields)} columns where the first line has {len(names)}",
                where=f"{path}, line {number}",
                remedy=REMEDY,
            )
    frame = pd.DataFrame(rows, columns=names, dtype=str)
    return _typed(frame, [f"{path}, line {number}" for number in numbers], str(path))


def check(frame: pd.DataFrame, name: str = "interactions") -> pd.DataFrame:
    """The same promises for a table that a source made: known columns, ids as text, finite numbers.

    Raises:
        UserError: a column is missing, or a row lacks an id or a number; names the row.
    """
    missing = [column for column in COLUMNS[:3] if column not in frame]
    if missing:
        raise UserError(f"missing column '{missing[0]}'", where=name, remedy=REMEDY)
    kept = frame[[column for column in COLUMNS if column in frame]]
    return _typed(kept, [f"{name}, row {number}" for number in range(len(kept))], name)


def _header(fields: list[str], path: Path) -> list[str] | None:
    """Column names if the first line names columns, else None."""
    names = [ALIASES.get(field.lower(), field) for field in fields]
    if not {"user", "item"} & set(names):
        return None
    missing = [column for column in COLUMNS[:3] if column not in names]
    if missing:
        raise UserError(f"missing column '{missing[0]}'", where=f"{path}, line 1", remedy=REMEDY)
    if len(set(names)) < len(names):
        raise UserError("a column is named twice", where=f"{path}, line 1", remedy=REMEDY)
    return names


def _typed(frame: pd.DataFrame, places: list[str], name: str) -> pd.DataFrame:
    """Ids as text and numbers as numbers, or the first place where they are not."""
    if frame.empty:
        raise UserError("holds no interactions", where=name, remedy=REMEDY)
    typed: dict[str, object] = {}
    for column in ("user", "item"):
        values = frame[column]
        empty = (values.isna() | (values.astype(str) == "")).to_numpy()
        if empty.any():
            raise UserError(f"no {column}", where=places[int(np.argmax(empty))], remedy=REMEDY)
        typed[column] = values.astype(str).to_numpy(object)
    for column in ("rating", "timestamp"):
        if column not in frame:
            continue
        numbers = pd.to_numeric(frame[column], errors="coerce")
        bad = ~np.isfinite(numbers.to_numpy(np.float64))
        if bad.any():
            first = int(np.argmax(bad))
            raise UserError(
                f"{column} '{frame[column].iloc[first]}' is not a number", where=places[first], remedy=REMEDY
            )
        typed[column] = numbers.to_numpy(np.float64 if column == "rating" else np.int64)
    return pd.DataFrame(typed)
