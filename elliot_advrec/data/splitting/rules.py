"""Which rows each strategy holds out, with Elliot's random numbers in Elliot's order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from elliot_advrec.data.splitting.settings import Strategy
from elliot_advrec.data.splitting.users import ByUser

Rule = Callable[[pd.DataFrame, Strategy, np.random.RandomState, list[str]], list[np.ndarray]]
"""(rows, settings, the one random stream, notes) -> for each fold (n,) bool, true for held-out rows."""


def random_subsampling(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, notes: list[str]
) -> list[np.ndarray]:
    """Each user's rows at random, drawn anew for each fold: folds are the outer loop, users the inner."""
    users = ByUser.of(frame["user"])
    order, ends = users.sorted(), users.ends
    starts = ends - users.sizes
    in_order = users.ranks(order)[order] >= strategy.kept(users.sizes)[users.codes[order]]
    # One row takes no random number. The others cannot be drawn at once: how many numbers a shuffle takes
    # from the stream depends on the numbers.
    spans = [(s, e) for s, e in zip(starts.tolist(), ends.tolist(), strict=True) if e - s > 1]
    folds = []
    for _ in range(strategy.folds):
        flags = in_order.copy()
        for start, end in spans:
            random.shuffle(flags[start:end])
        held = np.empty(len(frame), bool)
        held[order] = flags
        folds.append(held)
    return folds


def random_cross_validation(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, notes: list[str]
) -> list[np.ndarray]:
    """Each user's rows dealt out to the folds in turn, as they stand in the table: nothing is random."""
    users = ByUser.of(frame["user"])
    fold = users.ranks(users.sorted()) % strategy.folds
    return [fold == number for number in range(strategy.folds)]


def temporal_hold_out(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, notes: list[str]
) -> list[np.ndarray]:
    """Each user's latest rows.

    Elliot asks pandas for ranks along an axis that a column does not have, which newer pandas refuses. These
    are those ranks: of equal times the later line is held out with a ratio, the earlier with ``leave_n_out``,
    where the ranks descend.
    """
    users, times = ByUser.of(frame["user"]), frame["timestamp"].to_numpy(np.int64)
    if strategy.leave_n_out is not None:
        return [users.ranks(users.sorted(-times)) < strategy.leave_n_out]
    return [users.ranks(users.sorted(times)) >= strategy.kept(users.sizes)[users.codes]]


def fixed_timestamp(
    frame: pd.DataFrame, strategy: Strategy, random: np.random.RandomState, notes: list[str]
) -> list[np.ndarray]:
    """The rows of all users from one time on: a given one, or the best (Anelli et al. 2019)."""
    times = frame["timestamp"].to_numpy(np.int64)
    if isinstance(strategy.timestamp, int):
        return [times >= strategy.timestamp]
    users = ByUser.of(frame["user"])
    below, over = (1 if least is None else least for least in (strategy.min_below, strategy.min_over))
    chosen, count = best_timestamp(users, times, below, over)
    counted = f"{below} rows before and {over} from then on"
    notes.append(f"the best timestamp is {chosen}: {count} of {len(users.sizes)} users have {counted}")
    return [times >= chosen]


def best_timestamp(users: ByUser, times: np.ndarray, min_below: int, min_over: int) -> tuple[int, int]:
    """The time, of those that occur, for which most users have enough rows on both sides.

    A user counts for the times above the ``min_below``-th of that user's rows and not above the
    ``min_over``-th from the end: one interval, so that no time needs to be tried by itself.

    Args:
        users: of the n rows.
        times: (n,) int64.
        min_below: rows with an earlier time that a user needs.
        min_over: rows with this time or a later one that a user needs.

    Returns:
        The latest of the best times, and how many users count for it.
    """
    unique = np.unique(times)
    ordered = times[users.sorted(times)]
    fits = (users.sizes >= max(min_below, min_over)) & (users.sizes > 0)
    ends, sizes = users.ends[fits], users.sizes[fits]
    # Numbers of the first time that counts and of the first that no longer does.
    first = np.zeros(len(ends), np.int64)
    if min_below:
        first = np.searchsorted(unique, ordered[ends - sizes + min_below - 1], side="right")
    past = np.full(len(ends), len(unique))
    if min_over:
        past = np.searchsorted(unique, ordered[ends - min_over], side="right")
    some = first < past
    change = np.bincount(first[some], minlength=len(unique) + 1)
    change = change - np.bincount(past[some], minlength=len(unique) + 1)
    counts = np.cumsum(change)[: len(unique)]
    best = len(unique) - 1 - int(np.argmax(counts[::-1]))
    return int(unique[best]), int(counts[best])


RULES: dict[str, Rule] = {
    "fixed_timestamp": fixed_timestamp,
    "random_cross_validation": random_cross_validation,
    "random_subsampling": random_subsampling,
    "temporal_hold_out": temporal_hold_out,
}
