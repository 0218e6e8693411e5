"""Elliot's ``splitting`` section and the files of a split that is already made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.errors import nearest

AMOUNT = ("test_ratio", "leave_n_out")
READ = {
    "fixed_timestamp": ("timestamp", "min_below", "min_over"),
    "temporal_hold_out": AMOUNT,
    "random_subsampling": (*AMOUNT, "folds"),
    "random_cross_validation": ("folds",),
}
"""The keys that each strategy reads."""


class Strategy(Config):
    """How rows are held out; a key that the strategy does not read is refused."""

    strategy: str
    """``fixed_timestamp``, ``temporal_hold_out``, ``random_subsampling`` or ``random_cross_validation``."""
    test_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Share of each user's rows that is held out, rounded up; this or ``leave_n_out``, where rows are drawn
    (``random_subsampling``) or each user's latest are taken (``temporal_hold_out``)."""
    leave_n_out: int | None = Field(default=None, ge=1)
    """Number of each user's rows that is held out; a user with no more than these keeps none for training."""
    folds: int = Field(default=1, ge=1)
    """Number of splits: independent draws of ``random_subsampling``, or parts of ``random_cross_validation``
    (at least 2), of which each is held out once."""
    timestamp: int | Literal["best"] | None = None
    """With ``fixed_timestamp``: rows of this time and later are held out. ``best``: the time that most users
    have rows on both sides of, the latest of equals."""
    min_below: int | None = Field(default=None, ge=0)
    """With ``timestamp: best``: rows before the time that a user needs to count; absent: 1."""
    min_over: int | None = Field(default=None, ge=0)
    """With ``timestamp: best``: rows at or after the time that a user needs to count; absent: 1."""

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in READ:
            raise ValueError(f"unknown splitting strategy '{value}'; {nearest(value, READ)}")
        return value

    @model_validator(mode="after")
    def _what_the_strategy_reads(self) -> Strategy:
        name, read = self.strategy, READ[self.strategy]
        for key, field in type(self).model_fields.items():
            # A key that holds its default asks for nothing, so that a resolved recipe can be read again.
            if key != "strategy" and key not in read and getattr(self, key) != field.default:
                raise ValueError(f"'{key}' is not read with strategy '{name}', which reads {', '.join(read)}")
        if read[:2] == AMOUNT and (self.test_ratio is None) == (self.leave_n_out is None):
            raise ValueError(f"'{name}' needs exactly one of test_ratio and leave_n_out")
        if name == "random_cross_validation" and self.folds < 2:
            raise ValueError("'random_cross_validation' needs folds, at least 2")
        if name == "fixed_timestamp":
            if self.timestamp is None:
                raise ValueError("'fixed_timestamp' needs timestamp: a number, or best")
            if self.timestamp != "best" and (self.min_below, self.min_over) != (None, None):
                raise ValueError("min_below and min_over are read only with timestamp: best")
        return self

    @property
    def temporal(self) -> bool:
        """Whether rows need timestamps."""
        return self.strategy in ("fixed_timestamp", "temporal_hold_out")

    def kept(self, sizes: np.ndarray) -> np.ndarray:
        """(U,) int64: how many of each user's ``sizes`` (U,) rows stay for training."""
        if self.leave_n_out is not None:
            return np.maximum(sizes - self.leave_n_out, 0)
        return np.floor(sizes * (1 - float(self.test_ratio or 0))).astype(np.int64)


class Splitting(Config):
    """Elliot's ``splitting`` section."""

    test_splitting: Strategy
    """What is held out for the test."""
    validation_splitting: Strategy | None = None
    """What is then held out of each test fold's training rows for validation; absent: nothing."""
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
