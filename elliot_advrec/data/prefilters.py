"""Elliot's filters of interactions before the split, by rating and by number of rows; and ``binarize``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, field_validator, model_validator

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest

READ = {
    "global_threshold": ("threshold",),
    "user_average": (),
    "user_k_core": ("core",),
    "item_k_core": ("core",),
    "iterative_k_core": ("core",),
    "n_rounds_k_core": ("core", "rounds"),
    "cold_users": ("threshold",),
}
"""The keys that each strategy reads; all of them are needed."""
BY_RATING = ("global_threshold", "user_average")
"""The strategies that look at ratings."""


class Prefilter(Config):
    """One filter; every key that the strategy reads is needed, and no other is taken."""

    strategy: str
    """What is kept. ``global_threshold``: ratings from ``threshold`` on; ``user_average``: ratings from their
    user's mean on; ``user_k_core``, ``item_k_core``: users, items with at least ``core`` rows;
    ``iterative_k_core``: both, users first, until nothing changes; ``n_rounds_k_core``: ``rounds`` of that;
    ``cold_users``: users with at most ``threshold`` rows."""
    threshold: float | Literal["average"] | None = None
    """Least rating that is kept, or ``average``: the mean of all; with ``cold_users`` most rows of a user."""
    core: int | None = Field(default=None, ge=0)
    """Least number of rows of a user or an item."""
    rounds: int | None = Field(default=None, ge=0)
    """Rounds of ``n_rounds_k_core``."""

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in READ:
            raise ValueError(f"unknown prefiltering strategy '{value}'; {nearest(value, READ)}")
        return value

    @model_validator(mode="after")
    def _what_the_strategy_reads(self) -> Prefilter:
        name, read = self.strategy, READ[self.strategy]
        for key in ("threshold", "core", "rounds"):
            if key in read and getattr(self, key) is None:
                raise ValueError(f"'{name}' needs {key}")
            if key not in read and getattr(self, key) is not None:
                takes = f"which reads {', '.join(read)}" if read else "which reads no other key"
                raise ValueError(f"'{key}' is not read with strategy '{name}', {takes}")
        rows = self.threshold
        if name == "cold_users" and (isinstance(rows, str) or rows is None or rows < 0 or rows % 1):
            raise ValueError("'cold_users' needs a threshold that is a whole number of rows")
        return self


def _listed(value: Any) -> Any:
    if value is None or value is False:
        return ()
    return [value] if isinstance(value, dict | Prefilter) else value


Prefilters = Annotated[tuple[Prefilter, ...], BeforeValidator(_listed)]
"""Type of Elliot's ``prefiltering``: one filter, a list of filters that are applied in turn, or none."""


def prefilter(frame: pd.DataFrame, filters: Sequence[Prefilter], notes: list[str]) -> pd.DataFrame:
    """Apply filters in turn, as Elliot does between reading and ``binarize``.

    Rows are counted as they stand, so repeats of a (user, item) count each.

    Args:
        frame: columns user, item, rating and maybe more.
        filters: of the recipe.
        notes: gets a sentence for each filter: how many rows, users and items went.

    Returns:
        The rows that are left, in their order.

    Raises:
        UserError: a filter leaves nothing.
    """
    for number, one in enumerate(filters):
        kept = frame[_kept(frame, one)].reset_index(drop=True)
        asked = ", ".join(f"{key} {_shown(getattr(one, key))}" for key in READ[one.strategy])
        name = f"{one.strategy}{f' ({asked})' if asked else ''}"
        if kept.empty:
            where = f"prefiltering[{number}]"
            raise UserError(f"{name} leaves no interactions", where=where, remedy="filter less")
        before, after = (
            (len(rows), rows["user"].nunique(), rows["item"].nunique()) for rows in (frame, kept)
        )
        gone = [f"{was - now} of {was}" for was, now in zip(before, after, strict=True)]
        notes.append(f"prefiltering {name} took {gone[0]} rows, {gone[1]} users, {gone[2]} items")
        frame = kept
    return frame


def binarize(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows, every rating 1: Elliot's ``binarize``, after the filters and before the split.

    No row is dropped, however low its rating was.
    """
    return frame.assign(rating=1.0)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kept(frame: pd.DataFrame, one: Prefilter) -> np.ndarray:
    """(n,) bool: the rows that one filter keeps."""
    ratings = frame["rating"].to_numpy(np.float64)
    if one.strategy == "global_threshold":
        least = frame["rating"].mean() if isinstance(one.threshold, str) else float(one.threshold or 0)
        return ratings >= least
    users, items = pd.factorize(frame["user"])[0], pd.factorize(frame["item"])[0]
    if one.strategy == "user_average":
        return ratings >= _means(users, ratings)[users]
    if one.strategy == "cold_users":
        return np.bincount(users)[users] <= float(one.threshold or 0)
    core = one.core or 0
    if one.strategy == "user_k_core":
        return np.bincount(users)[users] >= core
    if one.strategy == "item_k_core":
        return np.bincount(items)[items] >= core
    return _k_core(users, items, core, one.rounds)


def _k_core(users: np.ndarray, items: np.ndarray, core: int, rounds: int | None) -> np.ndarray:
    """(n,) bool: what rounds of users, then items, leave; ``rounds`` None: until no change."""
    rows, done = np.arange(len(users)), 0
    while len(rows) and (rounds is None or done < rounds):
        before = len(rows)
        for ids in (users, items):
            counts = np.bincount(ids[rows])
            rows = rows[counts[ids[rows]] >= core]
        done += 1
        if len(rows) == before:
            break
    kept = np.zeros(len(users), bool)
    kept[rows] = True
    return kept


def _means(users: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """(U,) mean rating of each user, to the last bit what numpy gives for the user's rows alone.

    A rating may equal its user's mean, and sums of fractions depend on the order of additions. Users with
    equally many rows are therefore summed as rows of one matrix, which numpy adds up as it does a single one.
    """
    order, sizes = np.argsort(users, kind="stable"), np.bincount(users)
    starts = np.cumsum(sizes) - sizes
    means = np.empty(len(sizes))
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        means[same] = ratings[order[starts[same, None] + np.arange(size)]].sum(1) / size
    return means
