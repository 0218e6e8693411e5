"""Tab- and comma-separated manifests of pictures, as users write them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError


def read_manifest(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """A table whose first line names its columns, in either case; every cell is text.

    Comma-separated when the name ends in ``.csv``, else tab-separated; blank lines are passed over.

    Returns:
        The frame of the known columns that it has, indexed by line number, and the names of the other
        columns.

    Raises:
        UserError: the file is missing, empty, not UTF-8 or ragged, a required column is missing, a known one
            comes twice, or a required cell is empty; names the line.
    """
    table = _cells(path)
    header = [name.lower() for name in table.iloc[0]]
    place = f"{path}:{table.index[0]}"
    for name in required:
        if name not in header:
            raise UserError(
                f"the column '{name}' is missing",
                where=place,
                remedy=f"the first line must name the columns; found: {', '.join(header)}",
            )
    known = [name for name in (*required, *optional) if name in header]
    for name in known:
        if header.count(name) > 1:
            raise UserError(f"the column '{name}' comes twice", where=place)
    frame = table.iloc[1:].set_axis(header, axis=1)
    if frame.empty:
        raise UserError("the file has no rows below its header", where=str(path))
    for name in required:
        empty = frame.index[frame[name] == ""]
        if len(empty):
            raise UserError(f"the {name} is empty", where=f"{path}:{empty[0]}")
    return frame[known], [name for name in header if name not in known]


def _cells(path: Path) -> pd.DataFrame:
    """All cells as stripped text, indexed by line number."""
    existing(path, folder=False)
    comma = path.suffix.lower() == ".csv"
    try:
        frame = pd.read_csv(
            path,
            sep="," if comma else "\t",
            quoting=csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except pd.errors.EmptyDataError:
        raise UserError("the file is empty", where=str(path)) from None
    except UnicodeDecodeError:
        raise UserError("the file is not UTF-8 text", where=str(path), remedy="save it as UTF-8") from None
    except pd.errors.ParserError as error:
        raise UserError(f"cannot be read as a table ({str(error).strip()})", where=str(path)) from None
    # Cells that a short line lacks come as NaN, whatever keep_default_na says.
    frame = frame.fillna("").apply(lambda column: column.str.strip())
    frame.index = frame.index + 1
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise UserError("the file is empty", where=str(path))
    return frame
