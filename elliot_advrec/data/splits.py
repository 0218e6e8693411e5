"""Train, validation and test rows, split as Elliot 0.3.1 splits them for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from elliot_advrec.data.splitting import layout
from elliot_advrec.data.splitting.rules import RULES
from elliot_advrec.data.splitting.settings import Splitting, Strategy
from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Split:
    """Three tables of one form (user, item, rating and maybe timestamp), and what a report must say."""

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame
    notes: list[str]

    def evaluable(self) -> Split:
        """The split less held-out rows of users who have no training row; a note says how many.

        Elliot writes such rows to its files, but looks only at the users it trained on.
        """
        known = set(self.train["user"].unique())
        notes = list(self.notes)
        kept: dict[str, pd.DataFrame | None] = {"validation": self.validation, "test": self.test}
        for part, table in kept.items():
            if table is None:
                continue
            cold = ~table["user"].isin(known)
            if cold.any():
                users = table.loc[cold, "user"].nunique()
                notes.append(f"{users} users have no training row left and are not evaluated for the {part}")
                kept[part] = table[~cold].reset_index(drop=True)
        assert kept["test"] is not None
        return Split(self.train, kept["validation"], kept["test"], notes)


def split_folds(frame: pd.DataFrame, splitting: Splitting, *, seed: int = 42) -> list[list[Split]]:
    """Hold rows out in every fold; the rows, and their order, are Elliot's.

    One random stream serves all: first the test folds, then below each the validation folds, within a fold
    user by user, users sorted (numbers as numbers). Where Elliot stops for a user with fewer rows than
    ``random_subsampling`` should leave out, all rows of the user are held out, as the temporal strategy does.

    Args:
        frame: columns user, item, rating and, for temporal strategies, timestamp.
        splitting: the recipe's section.
        seed: Elliot's ``random_seed``.

    Returns:
        For each test fold its validation folds, or one split without validation. Users without a training row
        are still in the held-out tables; ``Split.evaluable`` takes them out.

    Raises:
        UserError: a temporal strategy without timestamps, or a fold with nobody to evaluate.
    """
    random = np.random.RandomState(seed)
    notes: list[str] = []
    outer = _hold_out(frame, splitting.test_splitting, random, "splitting.test_splitting", notes)
    if splitting.validation_splitting is None:
        return [[Split(train, None, test, notes)] for train, test in outer]
    folds = []
    for number, (train, test) in enumerate(outer):
        where = "splitting.validation_splitting" + (f" (test fold {number})" if len(outer) > 1 else "")
        said = list(notes)
        inner = _hold_out(train, splitting.validation_splitting, random, where, said)
        _check(inner, [test] * len(inner), "test", where)
        folds.append([Split(rows, validation, test, said) for rows, validation in inner])
    return folds


def save_folds(folds: Sequence[Sequence[Split]], folder: Path) -> None:
    """Write Elliot's layout: ``0/test.tsv`` and ``0/train.tsv``, or ``0/0/{train,val}.tsv`` if nested.

    Raises:
        UserError: the folder cannot be written.
    """
    tables: dict[str, pd.DataFrame] = {}
    for outer, fold in enumerate(folds):
        tables[f"{outer}/test.tsv"] = fold[0].test
        for inner, one in enumerate(fold):
            if one.validation is None:
                tables[f"{outer}/train.tsv"] = one.train
            else:
                tables[f"{outer}/{inner}/train.tsv"] = one.train
                tables[f"{outer}/{inner}/val.tsv"] = one.validation
    layout.write(tables, folder)


def _hold_out(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, where: str, notes: list[str]
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """(kept, held-out) rows of each fold."""
    part = "validation" if "validation" in where else "test"
    if frame.empty:
        raise UserError("there are no interactions to split", where=where)
    if strategy.temporal and "timestamp" not in frame:
        raise UserError(
            f"'{strategy.strategy}' needs timestamps, and the interactions have none",
            where=where,
            remedy="add a fourth column, or use random_subsampling",
        )
    masks = RULES[strategy.strategy](frame, strategy, random, notes)
    parts = [
        (frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)) for held in masks
    ]  # fmt: skip
    _check(parts, [held for _, held in parts], part, where)
    return parts


def _check(
    parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]], tables: Sequence[pd.DataFrame], part: str, where: str
) -> None:
    """Refuse a fold in which no row of a table is of a user with training rows."""
    for number, ((train, _), table) in enumerate(zip(parts, tables, strict=True)):
        if not table["user"].isin(set(train["user"].unique())).any():
            fold = f" in fold {number}" if len(parts) > 1 else ""
            raise UserError(
                f"the split leaves no {part} rows{fold} of users with training rows",
                where=where,
                remedy="hold other rows out, or give users with more interactions",
            )
