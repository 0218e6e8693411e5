"""Rates and means with the interval that every reported number carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Rate:
    """A number and how well it is known."""

    value: float
    """The estimate."""
    low: float
    """Lower end of the confidence interval."""
    high: float
    """Upper end of the confidence interval."""
    n: int
    """Observations behind it."""


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), sound near 0 and 1 and for small n.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        UserError: n is 0.
        ValueError: successes outside 0..n, or confidence outside (0, 1).
    """
    if n == 0:
        raise UserError("a rate over no observations has no value", remedy="attack at least one pair")
    # A full or empty count rounds to just inside the end it must touch.
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    low = 0.0 if successes == 0 else float(interval.low)
    return low, 1.0 if successes == n else float(interval.high)


def success_rate(ranks: np.ndarray, rank_min: int) -> Rate:
    """Share of pairs whose rank is at most ``rank_min``, with Wilson's interval.

    Args:
        ranks: (n,) ranks, 1 the best.
        rank_min: the worst rank that counts as success, at least 1.

    Raises:
        UserError: no ranks.
    """
    hits = np.asarray(ranks) <= rank_min
    low, high = wilson(int(hits.sum()), hits.size)
    return Rate(float(hits.mean()), low, high, hits.size)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """A mean with Student's confidence interval.

    Args:
        values: (n,) finite numbers, e.g. nDCG per user or cosine per pair.
        confidence: share of intervals that cover the true mean.

    Returns:
        Where values do not vary, or there is one, the interval is the mean itself.

    Raises:
        UserError: no values, or a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    if not values.size:
        raise UserError("a mean over no observations has no value")
    if not np.isfinite(values).all():
        raise UserError(f"{int((~np.isfinite(values)).sum())} of {values.size} values are not finite")
    mean = float(values.mean())
    if values.size == 1 or np.ptp(values) == 0:
        return Interval(mean, mean, mean)
    low, high = stats.t.interval(confidence, values.size - 1, loc=mean, scale=stats.sem(values))
    return Interval(mean, float(low), float(high))
