"""Interactions meet the catalog: what cannot be used is dropped with a note, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from elliot_advrec.data.splits import FixedFiles, Split
from elliot_advrec.data.tsv import check, read
from elliot_advrec.errors import UserError


def join(
    frame: pd.DataFrame | str | Path, items: Sequence[str] | None, strict: bool, notes: list[str]
) -> pd.DataFrame:
    """Readable rows of known items, the last of each (user, item), in their order.

    Args:
        frame: the table, or the TSV that holds it.
        items: ids of the catalog; None: every item is known.
        strict: refuse unknown items instead of dropping their rows.
        notes: gets a sentence about every kind of row that is dropped.

    Raises:
        UserError: unreadable rows, unknown items under ``strict``, or nothing left.
    """
    table, name = (
        (check(frame), "interactions") if isinstance(frame, pd.DataFrame) else (read(frame), str(frame))
    )
    known = table["item"].notna() if items is None else table["item"].isin(items)
    if not known.all():
        unknown = table.loc[~known, "item"]
        what = f"{len(unknown)} interactions with {unknown.nunique()} items that the catalog lacks"
        if strict:
            remedy = "add the items, or set strict: false"
            raise UserError(f"{what}, the first '{unknown.iloc[0]}'", where=name, remedy=remedy)
        notes.append(f"{name}: {what} were dropped")
        table = table[known]
    repeated = table.duplicated(["user", "item"], keep="last")
    if repeated.any():
        notes.append(f"{name}: {int(repeated.sum())} repeats of a (user, item) were dropped; the last counts")
        table = table[~repeated]
    if table.empty:
        remedy = f"its ids look like '{items[0]}'" if items else "the catalog is empty"
        raise UserError("no interaction is with an item of the catalog", where=name, remedy=remedy)
    return table.reset_index(drop=True)


def join_files(files: FixedFiles, items: Sequence[str] | None, strict: bool, notes: list[str]) -> Split:
    """The split that the files hold, less what cannot be evaluated.

    Raises:
        UserError: as ``join``, or a held-out file of which no row is left.
    """
    train = join(files.train_path, items, strict, notes)
    seen = train[["user", "item"]]
    held: list[pd.DataFrame] = []
    for path in filter(None, (files.validation_path, files.test_path)):
        table = join(path, items, strict, notes)
        cold = ~table["user"].isin(train["user"])
        if cold.any():
            users = table.loc[cold, "user"].nunique()
            notes.append(f"{path}: {users} users without training rows were dropped")
            table = table[~cold]
        # An item that is masked as seen can never be recommended: keeping it would lower every metric.
        pairs = pd.MultiIndex.from_frame(table[["user", "item"]])
        leaked = pairs.isin(pd.MultiIndex.from_frame(seen))
        if leaked.any():
            notes.append(f"{path}: {int(leaked.sum())} rows that an earlier part already holds were dropped")
            table = table[~leaked]
        if table.empty:
            raise UserError(
                "no row is left to evaluate: none is of a user in the training file and new to that user",
                where=str(path),
                remedy="check that the files belong to one split",
            )
        seen = pd.concat([seen, table[["user", "item"]]])
        held.append(table.reset_index(drop=True))
    return Split(train, held[0] if len(held) == 2 else None, held[-1], [])
