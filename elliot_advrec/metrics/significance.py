"""Whether two cells differ: paired tests on the same users or pairs, corrected for how many are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.measured import PerUser, Ranking

Test = Literal["mcnemar", "wilcoxon", "ttest"]


@dataclass(frozen=True)
class Comparison:
    """One paired test."""

    test: Test
    """Which test."""
    p: float
    """Two-sided p-value, not corrected."""
    difference: float
    """Mean of first minus second."""
    n: int
    """Pairs compared."""


def mcnemar(first: np.ndarray, second: np.ndarray) -> Comparison:
    """McNemar's exact test of two success indicators: are discordant pairs split evenly?

    Args:
        first: (n,) bool, success of the same pairs in one cell.
        second: (n,) bool, success in the other.
    """
    one, other = _paired(first, second)
    gained, lost = int(((one > 0) & (other <= 0)).sum()), int(((one <= 0) & (other > 0)).sum())
    p = float(stats.binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0
    return Comparison("mcnemar", p, (gained - lost) / len(one), len(one))


def wilcoxon(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Wilcoxon's signed-rank test of two paired (n,) measures; 1 where no pair differs."""
    one, other = _paired(first, second)
    p = float(stats.wilcoxon(one, other).pvalue) if (one != other).any() else 1.0
    return Comparison("wilcoxon", p, float((one - other).mean()), len(one))


def ttest(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Student's paired t-test of two (n,) measures; 1 where no pair differs.

    Raises:
        UserError: a single pair, which has no variance.
    """
    one, other = _paired(first, second)
    if len(one) < 2:
        raise UserError("a paired t-test needs at least two pairs, got 1")
    p = float(stats.ttest_rel(one, other).pvalue) if (one != other).any() else 1.0
    return Comparison("ttest", p, float((one - other).mean()), len(one))


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """(m,) adjusted p-values that bound the false discovery rate (Benjamini & Hochberg 1995)."""
    values = np.asarray(p_values, dtype=np.float64)
    return np.asarray(stats.false_discovery_control(values)) if values.size else values


class Pair(NamedTuple):
    """Two models compared on one metric."""

    first: str
    """One model."""
    second: str
    """The other."""
    metric: str
    """The metric, by Elliot's name."""
    p: float
    """Two-sided p-value, not corrected; nan where no user's values differ, or too few users have both."""


def pairs(models: Mapping[str, Ranking], cutoff: int, test: Literal["ttest", "wilcoxon"]) -> list[Pair]:
    """Elliot's comparison of all models: every two of them, on every metric that users have values of.

    Args:
        models: name -> what was measured of its lists; all of the same metrics.
        cutoff: length of the lists.
        test: the paired test; over the users that both models have a value of.

    Returns:
        In Elliot's order, each comparison in both directions with the same p-value.
    """
    rows: list[Pair] = []
    for (one, first), (other, second) in combinations(models.items(), 2):
        for (metric, k), ours in first.items():
            theirs = second.get((metric, k))
            if k == cutoff and isinstance(ours, PerUser) and isinstance(theirs, PerUser):
                _, here, there = np.intersect1d(ours.users, theirs.users, True, return_indices=True)
                p = _elliots_p(ours.values[here], theirs.values[there], test)
                rows += [Pair(one, other, metric, p), Pair(other, one, metric, p)]
    return rows


def _elliots_p(first: np.ndarray, second: np.ndarray, test: Literal["ttest", "wilcoxon"]) -> float:
    """nan where Elliot writes nan: users that all agree say nothing, which ``ttest`` and others call 1."""
    if len(first) < 2 or not (first != second).any():
        return float("nan")
    return (ttest if test == "ttest" else wilcoxon)(first, second).p


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    if len(one) != len(other):
        raise UserError(f"a paired test needs the same pairs in both cells, got {len(one)} and {len(other)}")
    if not len(one):
        raise UserError("a paired test over no pairs has no value")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise UserError("a paired test needs finite values")
    return one, other
