"""Train, validation and test rows, split as Elliot 0.3.1 splits them for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.files import atomic

UNSUPPORTED = ("fixed_timestamp", "random_cross_validation")


class Strategy(Config):
    """How rows of each user are held out; exactly one of ``test_ratio`` and ``leave_n_out``."""

    strategy: str
    """``random_subsampling`` (rows drawn at random) or ``temporal_hold_out`` (each user's latest rows)."""
    test_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Share of each user's rows that is held out, rounded up."""
    leave_n_out: int | None = Field(default=None, ge=1)
    """Number of each user's rows that is held out."""
    folds: int = Field(default=1, ge=1, le=1)
    """Number of splits; only 1, for a run reports one split."""

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in UNSUPPORTED:
            raise ValueError(
                f"Elliot's splitting strategy '{value}' is not supported; use {' or '.join(sorted(RULES))}"
            )
        if value not in RULES:
            raise ValueError(f"unknown splitting strategy '{value}'; {nearest(value, RULES)}")
        return value

    @model_validator(mode="after")
    def _one_amount(self) -> Strategy:
        if (self.test_ratio is None) == (self.leave_n_out is None):
            raise ValueError(f"'{self.strategy}' needs exactly one of test_ratio and leave_n_out")
        return self

    def held_out(self, rows: int) -> int:
        """How many of a user's ``rows`` are held out, before the rule that one row stays for training."""
        if self.leave_n_out is not None:
            return self.leave_n_out
        return rows - math.floor(rows * (1 - float(self.test_ratio or 0)))


class Splitting(Config):
    """Elliot's ``splitting`` section."""

    test_splitting: Strategy
    """What is held out for the test."""
    validation_splitting: Strategy | None = None
    """What is then held out of the training rows for validation; absent: nothing."""
    save_on_disk: bool = False
    """Write the split below ``save_folder`` as Elliot does."""
    save_folder: Path | None = None
    """Where ``save_on_disk`` writes."""

    @model_validator(mode="after")
    def _folder_if_saved(self) -> Splitting:
        if self.save_on_disk and self.save_folder is None:
            raise ValueError("save_on_disk needs a save_folder")
        return self


class FixedFiles(Config):
    """Elliot's ``data_config`` of strategy ``fixed``: the split is already made."""

    train_path: Path
    """Training rows, TSV."""
    validation_path: Path | None = None
    """Validation rows, TSV; absent: none."""
    test_path: Path
    """Test rows, TSV."""


@dataclass(frozen=True)
class Split:
    """Three tables of one form (user, item, rating and maybe timestamp), and what a report must say."""

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame
    notes: list[str]

    def save(self, folder: Path) -> None:
        """Write Elliot's layout: ``0/test.tsv`` and ``0/train.tsv``, or ``0/0/{train,val}.tsv`` if nested."""
        inner = folder / "0" if self.validation is None else folder / "0" / "0"
        tables = [(folder / "0" / "test.tsv", self.test), (inner / "train.tsv", self.train)]
        if self.validation is not None:
            tables.append((inner / "val.tsv", self.validation))
        for path, table in tables:
            with atomic(path) as temporary:
                table.to_csv(temporary, sep="\t", index=False, header=False)


def split(frame: pd.DataFrame, splitting: Splitting, *, seed: int = 42) -> Split:
    """Hold rows out user by user.

    One random stream serves both levels in Elliot's order (users sorted, numbers as numbers), so the rows
    are Elliot's. A user who would be left without a training row keeps all rows in training instead: Elliot
    drops that user from the evaluation as well, but loses the rows.

    Args:
        frame: columns user, item, rating and, for temporal strategies, timestamp.
        splitting: the recipe's section.
        seed: Elliot's ``random_seed``.

    Raises:
        UserError: a temporal strategy without timestamps, or a part of the split that is empty.
    """
    random = np.random.RandomState(seed)
    notes: list[str] = []
    train, test = _hold_out(frame, splitting.test_splitting, random, "test", notes)
    validation = None
    if splitting.validation_splitting is not None:
        train, validation = _hold_out(train, splitting.validation_splitting, random, "validation", notes)
    return Split(train, validation, test, notes)


def _hold_out(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, part: str, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    where = f"splitting.{part}_splitting"
    if frame.empty:
        raise UserError("there are no interactions to split", where=where)
    if strategy.strategy == "temporal_hold_out" and "timestamp" not in frame:
        raise UserError(
            "'temporal_hold_out' needs timestamps, and the interactions have none",
            where=where,
            remedy="add a fourth column, or use random_subsampling",
        )
    held = np.zeros(len(frame), dtype=bool)
    kept_whole = 0
    for positions in _rows_by_user(frame["user"]):
        wanted = strategy.held_out(len(positions))
        chosen = RULES[strategy.strategy](frame, positions, min(wanted, len(positions)), strategy, random)
        if wanted >= len(positions):
            kept_whole += 1
        else:
            held[chosen] = True
    if kept_whole:
        notes.append(f"{kept_whole} users have too few rows to hold any out for the {part}: training only")
    if not held.any():
        raise UserError(
            f"the split leaves no {part} rows: no user has enough interactions",
            where=where,
            remedy="hold fewer rows out, or give users with more interactions",
        )
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def _rows_by_user(users: pd.Series) -> list[np.ndarray]:
    """Row positions of each user, users in the order in which Elliot's ``groupby`` walks them."""
    codes, found = pd.factorize(users)
    groups = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    names = [str(name) for name in found]
    # Elliot reads ids with pandas, which turns a column of digits into numbers and sorts it as such.
    numeric = all(name.removeprefix("-").isdecimal() for name in names)
    order = sorted(range(len(names)), key=lambda i: int(names[i]) if numeric else names[i])
    return [groups[i] for i in order]


def _random(
    frame: pd.DataFrame, rows: np.ndarray, count: int, strategy: Strategy, random: np.random.RandomState
) -> np.ndarray:
    flags = np.repeat([False, True], [len(rows) - count, count])
    random.shuffle(flags)
    return rows[flags]


def _temporal(
    frame: pd.DataFrame, rows: np.ndarray, count: int, strategy: Strategy, random: np.random.RandomState
) -> np.ndarray:
    times = frame["timestamp"].to_numpy()[rows]
    if strategy.leave_n_out is None:
        return rows[np.argsort(times, kind="stable")[len(rows) - count :]]
    # Among equal times Elliot holds out the earliest line here, the last line for a ratio.
    return rows[np.argsort(-times, kind="stable")[:count]]


Rule = Callable[[pd.DataFrame, np.ndarray, int, Strategy, np.random.RandomState], np.ndarray]
RULES: dict[str, Rule] = {"random_subsampling": _random, "temporal_hold_out": _temporal}
