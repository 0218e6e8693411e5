"""What Elliot's files call users and items, where it would misread their own ids."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.data.splitting.users import sorted_ids
from elliot_advrec.errors import UserError
from elliot_advrec.files import write_json


@dataclass(frozen=True)
class Ids:
    """Our ids -> Elliot's, for the kinds whose ids it would misread; None: they are the same.

    Elliot lets pandas guess types: it reads ``007`` as 7, ``NA`` as nothing and ``1e5`` as a float. Such ids
    are numbered: users in the order in which a split walks them, so that the split stays the same, items in
    the order of the catalog.
    """

    users: dict[str, int] | None = None
    items: dict[str, int] | None = None

    @classmethod
    def of(cls, users: Sequence[str], items: Sequence[str]) -> Ids:
        """Numbers for those of the two kinds that need them."""
        ordered = [users[place] for place in sorted_ids(pd.Index(users))] if len(users) else []
        return cls(
            None if survives(users) else {user: number for number, user in enumerate(ordered)},
            None if survives(items) else {item: number for number, item in enumerate(items)},
        )

    def save(self, path: Path) -> None:
        """Write them as JSON, atomically."""
        write_json(path, {"users": self.users, "items": self.items})

    @classmethod
    def load(cls, path: Path) -> Ids:
        """What ``save`` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            found = json.loads(path.read_text("utf-8"))
            return cls(found["users"], found["items"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"the ids cannot be read ({error})", where=str(path), remedy="run with --host elliot again"
            ) from error

    def user(self, name: str) -> str:
        """What Elliot's files call a user."""
        return name if self.users is None else str(self.users[name])

    def item(self, name: str) -> str:
        """What Elliot's files call an item."""
        return name if self.items is None else str(self.items[name])


def survives(ids: Sequence[str]) -> bool:
    """Whether pandas reads ids back as they are, all as whole numbers or all as text."""
    column = io.StringIO()
    pd.DataFrame({"id": list(ids), "one": 1}).to_csv(column, sep="\t", index=False, header=False)
    column.seek(0)
    read = pd.read_csv(column, sep="\t", header=None, names=["id", "one"])["id"]
    # Text with a number in it may become a number in one part of a long file and stay text in another.
    numbers = pd.to_numeric(pd.Series(list(ids), dtype=object), errors="coerce").notna()
    whole = read.dtype.kind == "i"
    return (whole or not numbers.any()) and read.astype(str).tolist() == list(ids)


def typed(elliots: Sequence[Any], name: str) -> Any:
    """An id that Elliot has not met in training, as the kind of value that its other ids are."""
    return int(name) if len(elliots) and isinstance(elliots[0], (int, np.integer)) else name
