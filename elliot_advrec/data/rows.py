"""Rows of interactions, whoever made them: known columns, ids as text, numbers that are finite."""

from __future__ import annotations

import numpy as np
import pandas as pd

from elliot_advrec.errors import UserError

COLUMNS = ("user", "item", "rating", "timestamp")
REMEDY = "a row is user, item and maybe rating and timestamp, separated by tabs"
NAME = "interactions"
"""What a table is called that is no file."""


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that a source made, with what a file promises too: known columns, typed, and no bad row.

    Raises:
        UserError: a column is missing, or a row lacks an id or a number; names the row.
    """
    missing = [column for column in COLUMNS[:3] if column not in frame]
    if missing:
        raise UserError(f"missing column '{missing[0]}'", where=NAME, remedy=REMEDY)
    kept = frame[[column for column in COLUMNS if column in frame]]
    return typed_rows(kept, Rows(NAME))


class Rows:
    """What rows of a table are called in messages."""

    def __init__(self, name: str) -> None:
        self.name = name

    def place(self, row: int) -> str:
        """Of the row counted from 0."""
        return f"{self.name}, row {row}"


def typed_rows(frame: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """Ids as text and numbers as numbers; ``rows`` says what a bad row is called.

    Raises:
        UserError: no rows, or the first place that lacks an id or a number.
    """
    if frame.empty:
        raise UserError("holds no interactions", where=rows.name, remedy=REMEDY)
    typed: dict[str, object] = {}
    for column in ("user", "item"):
        values = frame[column]
        empty = (values.isna() | (values.astype(str) == "")).to_numpy()
        if empty.any():
            raise UserError(f"no {column}", where=rows.place(int(np.argmax(empty))), remedy=REMEDY)
        typed[column] = values.astype(str).to_numpy(object)
    for column in ("rating", "timestamp"):
        if column in frame and not (frame[column].isna() | (frame[column] == "")).all():
            typed[column] = _numbers(frame[column], column == "timestamp", rows)
    typed.setdefault("rating", np.full(len(frame), np.nan))
    return pd.DataFrame({column: typed[column] for column in COLUMNS if column in typed})


def _numbers(values: pd.Series, whole: bool, rows: Rows) -> np.ndarray:
    """(n,) float64 or, where they are whole, int64."""
    numbers = pd.to_numeric(values, errors="coerce")
    found = numbers.to_numpy(np.float64)
    bad, what = ~np.isfinite(found), "a number"
    if whole and not bad.any():
        # Half-open: 2**63 itself is a float64, but no int64.
        bad, what = (found % 1 != 0) | (found < -(2.0**63)) | (found >= 2.0**63), "a whole number"
    if bad.any():
        first = int(np.argmax(bad))
        raise UserError(
            f"{values.name} '{values.iloc[first]}' is not {what}", where=rows.place(first), remedy=REMEDY
        )
    return numbers.to_numpy(np.int64) if whole else found
