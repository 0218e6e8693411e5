"""Whether two cells differ: paired tests on the same users or pairs, corrected for how many are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from elliot_advrec.errors import UserError

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


def compare(first: np.ndarray, second: np.ndarray) -> Comparison:
    """The test that fits the data: McNemar for indicators (only 0 and 1), Wilcoxon for all else."""
    one, other = _paired(first, second)
    binary = np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all()
    return mcnemar(one, other) if binary else wilcoxon(one, other)


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """(m,) adjusted p-values that bound the false discovery rate (Benjamini & Hochberg 1995)."""
    values = np.asarray(p_values, dtype=np.float64)
    return np.asarray(stats.false_discovery_control(values)) if values.size else values


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    if len(one) != len(other):
        raise UserError(f"a paired test needs the same pairs in both cells, got {len(one)} and {len(other)}")
    if not len(one):
        raise UserError("a paired test over no pairs has no value")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise UserError("a paired test needs finite values")
    return one, other
