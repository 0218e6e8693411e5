"""Interactions meet the catalog: what cannot be used is dropped with a note, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from elliot_advrec.data.rows import NAME, check
from elliot_advrec.data.splits import Split
from elliot_advrec.data.splitting.settings import FixedFiles
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError

LACKED = "that the catalog lacks"


def join(
    frame: pd.DataFrame | str | Path,
    items: Sequence[str] | None,
    strict: bool,
    notes: list[str],
    lacked: str = LACKED,
) -> pd.DataFrame:
    """Readable rows of known items, in their order.

    Of repeats of a (user, item) a table keeps the last. In a file they stand, as in Elliot: filters and
    splits count each row, so one may be trained on and another be held out.

    Args:
        frame: the table of a source, or a file of Elliot's form.
        items: ids of the catalog; None: every item is known.
        strict: refuse unknown items instead of dropping their rows.
        notes: gets a sentence about every kind of row that is dropped, and about what Elliot would not say.
        lacked: what is the matter with items that are not known.

    Returns:
        Columns user, item, rating (all NaN where the file has none) and maybe timestamp.

    Raises:
        UserError: unreadable rows, unknown items under ``strict``, or nothing left.
    """
    own = isinstance(frame, pd.DataFrame)
    if isinstance(frame, pd.DataFrame):
        table, name = check(frame), NAME
    else:
        table, name = read(frame), str(frame)
    known = table["item"].notna() if items is None else table["item"].isin(items)
    if not known.any():
        what = (
            "no interaction is with an item of the catalog" if lacked == LACKED else f"all items are {lacked}"
        )
        raise UserError(
            f"{what}; they are called like '{table['item'].iloc[0]}'",
            where=name,
            remedy=f"known ids look like '{items[0]}'" if items else "the catalog is empty",
        )
    if not known.all():
        unknown = table.loc[~known, "item"]
        what = f"{len(unknown)} interactions with {unknown.nunique()} items {lacked}"
        if strict:
            remedy = "add the items, or set strict: false"
            raise UserError(f"{what}, the first '{unknown.iloc[0]}'", where=name, remedy=remedy)
        notes.append(f"{name}: {what} were dropped")
        table = table[known]
    repeated = table.duplicated(["user", "item"], keep="last")
    if repeated.any():
        how = "are split as they stand, as in Elliot; of those in one part the last counts"
        if own:
            how = "were dropped; the last counts"
            table = table[~repeated]
        notes.append(f"{name}: {int(repeated.sum())} repeats of a (user, item) {how}")
    return table.reset_index(drop=True)


def rated(tables: Sequence[pd.DataFrame], names: Sequence[str], notes: list[str]) -> list[pd.DataFrame]:
    """Tables with every rating 1 where the first of them has none, as Elliot fills them in.

    Args:
        tables: of one split, the training rows first.
        names: what they are called.
        notes: gets a sentence where ratings were filled in.
    """
    bare = bool(tables[0]["rating"].isna().all())
    filled = []
    for table, name in zip(tables, names, strict=True):
        if bare or table["rating"].isna().all():
            whose = "it" if table["rating"].isna().all() else names[0]
            notes.append(f"{name}: every rating was taken as 1, as in Elliot, for {whose} has none")
            table = table.assign(rating=1.0)
        filled.append(table)
    return filled


def join_files(
    files: FixedFiles, items: Sequence[str] | None, strict: bool, notes: list[str], lacked: str = LACKED
) -> Split:
    """The split that the files hold, less what cannot be evaluated.

    Raises:
        UserError: as ``join``, or a held-out file of which no row is left.
    """
    paths = [path for path in (files.train_path, files.validation_path, files.test_path) if path is not None]
    tables = rated([join(path, items, strict, notes, lacked) for path in paths], list(map(str, paths)), notes)
    train = tables[0]
    seen = pd.MultiIndex.from_frame(train[["user", "item"]])
    held: list[pd.DataFrame] = []
    for path, table in zip(paths[1:], tables[1:], strict=True):
        cold = ~table["user"].isin(train["user"])
        if cold.any():
            users = table.loc[cold, "user"].nunique()
            notes.append(f"{path}: {users} users without training rows were dropped")
            table = table[~cold]
        if table.empty:
            raise UserError(
                "no row is left to evaluate: none is of a user in the training file",
                where=str(path),
                remedy="check that the files belong to one split",
            )
        leaked = int(pd.MultiIndex.from_frame(table[["user", "item"]]).isin(seen).sum())
        if leaked == len(table):
            raise UserError(
                "every row is a training row as well, so nothing can be evaluated",
                where=str(path),
                remedy="check that the files belong to one split",
            )
        if leaked:
            notes.append(
                f"{path}: {leaked} rows are training rows as well; as in Elliot they count as held out and "
                "can never be recommended, which lowers every metric"
            )
        held.append(table.reset_index(drop=True))
    return Split(train, held[0] if len(held) == 2 else None, held[-1], [])
