"""Amazon's interactions: reviews of one record a line, or ratings as a CSV, of 2014, 2018 and 2023."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.data.sources.pairs import Collector, Pairs
from elliot_advrec.data.sources.records import GZIP, lines, record
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
ASIN_LENGTH = 10
_REMEDY = "a row is user, item, rating and maybe timestamp, separated by commas"


def read_pairs(path: Path) -> Pairs:
    """All interactions of a file, plain or gzip; what it holds is told by its first line.

    Raises:
        UserError: no such file, an empty or damaged one, or a row that lacks an id or a number; names its
            line.
    """
    first = next(lines(path), None)
    if first is None:
        raise UserError("the file is empty", where=str(path))
    return _reviews(path) if first[1].lstrip()[:1] == b"{" else _ratings(path, first[1])


def _reviews(path: Path) -> Pairs:
    found = Collector()
    keys: dict[str, str] = {}
    for number, line in lines(path):
        review = record(line, path, number)
        if not keys:
            keys = _keys(review, f"{path}:{number}")
        try:
            user, item, rating = review[keys["user"]], review[keys["item"]], float(review[keys["rating"]])
            time = int(review[keys["timestamp"]]) if "timestamp" in keys else None
        except KeyError as error:
            raise UserError(f"the review has no {error}", where=f"{path}:{number}") from None
        except (TypeError, ValueError, OverflowError):
            shown = {name: review.get(key) for name, key in keys.items() if name in ("rating", "timestamp")}
            raise UserError(
                f"rating or timestamp is not a number: {shown}", where=f"{path}:{number}"
            ) from None
        if not (user and item and isinstance(user, str) and isinstance(item, str) and math.isfinite(rating)):
            raise UserError(
                f"user, item or rating is empty or not what it should be: {user!r}, {item!r}, {rating!r}",
                where=f"{path}:{number}",
            )
        found.add(user, item, rating, time // 1000 if time is not None and time > MILLISECONDS else time)
    return found.pairs()


def _keys(review: Mapping[str, Any], where: str) -> dict[str, str]:
    keys = {name: next((key for key in known if key in review), "") for name, known in SPELLINGS.items()}
    for name in COLUMNS[:3]:
        if not keys[name]:
            raise UserError(
                f"the review has no {name}: none of {', '.join(SPELLINGS[name])}",
                where=where,
                remedy=f"its keys are {', '.join(list(review)[:12])}",
            )
    return {name: key for name, key in keys.items() if key}


def _ratings(path: Path, first: bytes) -> Pairs:
    fields = [field.strip().strip('"') for field in first.decode("utf-8-sig", "replace").strip().split(",")]
    names, headed, notes = _columns(path, fields)
    table = _table(path, names, headed)
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


def _columns(path: Path, fields: list[str]) -> tuple[list[str | None], bool, list[str]]:
    """Name of each column (None: not used), whether the first line names them, notes."""
    ours = {key.lower(): name for name, known in SPELLINGS.items() for key in (*known, name)}
    ours |= {"userid": "user", "itemid": "item", "item_id": "item"}
    named = [ours.get(field.lower()) for field in fields]
    if "user" not in named and "item" not in named:
        if len(fields) not in (3, 4):
            raise UserError(f"the row has {len(fields)} columns", where=f"{path}:1", remedy=_REMEDY)
        return list(COLUMNS[: len(fields)]), False, []
    if named.count("item") == 2 and "parent_asin" in (lower := [field.lower() for field in fields]):
        named[lower.index("asin")] = None
    for name in COLUMNS[:3]:
        if named.count(name) != 1:
            how = "is missing" if name not in named else "is there twice"
            raise UserError(
                f"the column {name} {how}", where=f"{path}:1", remedy=f"the columns are {', '.join(fields)}"
            )
    return named, True, []


def _table(path: Path, names: list[str | None], headed: bool) -> pd.DataFrame:
    used = {place: name for place, name in enumerate(names) if name is not None}
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    options: dict[str, Any] = {
        "header": None,
        "skiprows": 1 if headed else 0,
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
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read as a table ({str(error).strip()})", where=str(path)) from None
    except ValueError:  # a number that is none: read again as text to find the line
        text = pd.read_csv(path, dtype=str, **options)[list(used)].rename(columns=used)
        table = text.assign(**{n: pd.to_numeric(text[n], errors="coerce") for n in COLUMNS[2:] if n in text})
    for name in COLUMNS[2:]:
        if name in table:
            bad = ~np.isfinite(table[name].to_numpy(np.float64))
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
    return f"{path}:{int(np.argmax(bad.to_numpy())) + 1 + headed}"
