"""Amazon's ratings as a CSV: user, item, rating and maybe timestamp, of 2014, 2018 and 2023."""

from __future__ import annotations

import zlib
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.data.sources.pairs import Pairs
from elliot_advrec.data.sources.records import GZIP, lines
from elliot_advrec.errors import UserError

COLUMNS = ("user", "item", "rating", "timestamp")
SPELLINGS = {
    "user": ("reviewerID", "user_id"),
    "item": ("parent_asin", "asin"),  # metadata of 2023 is by parent
    "rating": ("overall", "rating"),
    "timestamp": ("unixReviewTime", "timestamp"),
}
"""What each column is called in the years' files; the first that is there counts."""
MILLISECONDS = 10**11
"""Timestamps above it count milliseconds, as those of 2023 do: as seconds it is the year 5138."""
LATEST = 2**62
"""No timestamp is further from 1970, whatever it counts."""
ASIN_LENGTH = 10
_REMEDY = "a row is user, item, rating and maybe timestamp, separated by commas"


def read_ratings(path: Path, number: int, first: bytes) -> Pairs:
    """All rows of a CSV, plain or gzip, with or without a header.

    Args:
        path: the file.
        number: of its first line that is not blank, from 1.
        first: that line.

    Raises:
        UserError: a damaged file, columns that are missing, or a row that lacks an id or a number; names its
            line.
    """
    fields = [field.strip().strip('"') for field in first.decode("utf-8-sig", "replace").strip().split(",")]
    names, headed, notes = _columns(f"{path}:{number}", fields)
    table = _table(path, names, headed, number)
    if not headed and _item_first(table):
        table = table.rename(columns={"user": "item", "item": "user"})
        notes.append(
            f"{path.name}: its first column holds the items (10 characters each), its second the users"
        )
    empty = table["user"].isna() | table["item"].isna()
    if empty.any():
        raise UserError("user or item is empty", where=_line(path, empty, headed), remedy=_REMEDY)
    user, users = pd.factorize(table["user"])
    item, items = pd.factorize(table["item"])
    time = None
    if "timestamp" in table:
        time = table["timestamp"].to_numpy(np.int64)
        time = np.where(time > MILLISECONDS, time // 1000, time)
    return Pairs(
        [str(name) for name in users],
        [str(name) for name in items],
        user.astype(np.int64),
        item.astype(np.int64),
        table["rating"].to_numpy(np.float64),
        time,
        tuple(notes),
    )


def _columns(where: str, fields: list[str]) -> tuple[list[str | None], bool, list[str]]:
    """Name of each column (None: not used), whether the first line names them, notes."""
    ours = {key.lower(): name for name, known in SPELLINGS.items() for key in (*known, name)}
    ours |= {"userid": "user", "itemid": "item", "item_id": "item"}
    named = [ours.get(field.lower()) for field in fields]
    if "user" not in named and "item" not in named:
        if len(fields) not in (3, 4):
            raise UserError(f"the row has {len(fields)} columns", where=where, remedy=_REMEDY)
        return list(COLUMNS[: len(fields)]), False, []
    if named.count("item") == 2 and "parent_asin" in (lower := [field.lower() for field in fields]):
        named[lower.index("asin")] = None
    for name in COLUMNS[:3]:
        if named.count(name) != 1:
            how = "is missing" if name not in named else "is there twice"
            raise UserError(
                f"the column {name} {how}", where=where, remedy=f"the columns are {', '.join(fields)}"
            )
    return named, True, []


def _table(path: Path, names: list[str | None], headed: bool, number: int) -> pd.DataFrame:
    used = {place: name for place, name in enumerate(names) if name is not None}
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    options: dict[str, Any] = {
        "header": None,
        "skiprows": number - 1 + headed,
        "keep_default_na": False,
        "na_values": [""],
        "compression": "gzip" if packed else None,
        "encoding": "utf-8-sig",
    }
    kinds = {place: str if name in ("user", "item") else np.float64 for place, name in used.items()}
    try:
        table = pd.read_csv(path, dtype=kinds, **options)[list(used)].rename(columns=used)
    except pd.errors.EmptyDataError:
        raise UserError("the file has no rows below its header", where=str(path)) from None
    except (EOFError, zlib.error, OSError) as error:
        raise UserError(
            f"the gzip stream is damaged or cut off ({error})", where=str(path), remedy="fetch the file again"
        ) from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        what = f"cannot be read as a table ({str(error).strip()})"
        raise UserError(what, where=str(path), remedy=_REMEDY) from None
    except ValueError:  # a number that is none: read again as text to find the line
        text = pd.read_csv(path, dtype=str, **options)[list(used)].rename(columns=used)
        table = text.assign(**{n: pd.to_numeric(text[n], errors="coerce") for n in COLUMNS[2:] if n in text})
    for name in COLUMNS[2:]:
        if name in table:
            bad = ~(np.abs(table[name].to_numpy(np.float64)) <= LATEST)  # NaN is not
            if bad.any():
                raise UserError(
                    f"the {name} is not a number", where=_line(path, pd.Series(bad), headed), remedy=_REMEDY
                )
    return table


def _item_first(table: pd.DataFrame) -> bool:
    """Whether the columns are turned round, as in the ratings of 2018: ids of items have ten characters."""
    head = table.head(1000)
    return bool(
        (head["user"].str.len() == ASIN_LENGTH).mean() > 0.9
        and (head["item"].str.len() == ASIN_LENGTH).mean() < 0.5
    )


def _line(path: Path, bad: pd.Series, headed: bool) -> str:
    """Place of the first bad row; the file is read again, for tables do not count blank lines."""
    row = int(np.argmax(bad.to_numpy())) + headed
    return f"{path}:{next(islice(lines(path), row, None))[0]}"
