"""Amazon's interactions: reviews, one record a line, of 2014, 2018 and 2023, or else a CSV of ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elliot_advrec.data.sources.amazon_ratings import COLUMNS, LATEST, MILLISECONDS, SPELLINGS, read_ratings
from elliot_advrec.data.sources.pairs import Collector, Pairs
from elliot_advrec.data.sources.records import lines, record
from elliot_advrec.errors import UserError


def read_pairs(path: Path) -> Pairs:
    """All interactions of a file, plain or gzip; what it holds is told by its first line.

    Raises:
        UserError: no such file, an empty or damaged one, or a row that lacks an id or a number; names its
            line.
    """
    first = next(lines(path), None)
    if first is None:
        raise UserError("the file is empty", where=str(path))
    return _reviews(path) if first[1].lstrip()[:1] == b"{" else read_ratings(path, *first)


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
            if time is not None and abs(time) > LATEST:
                raise ValueError("no time that an int64 holds")
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
