"""Result rows over pairs: means with intervals, medians, rates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from elliot_advrec.metrics.rates import mean_interval, wilson


def mean_row(
    metric: str, values: np.ndarray, *, low: float = -math.inf, high: float = math.inf, **columns: Any
) -> dict[str, Any]:
    """The mean of the finite ones of (n,) values with its interval; no value where there are none.

    Args:
        metric: its name.
        values: (n,).
        low: the least value that there can be, which Student's t does not know.
        high: the largest one.
        columns: of the row.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return {"metric": metric, "value": None, "n": 0, **columns}
    mean, below, above = mean_interval(finite)
    interval = {"ci_low": max(low, below), "ci_high": min(high, above)}
    return {"metric": metric, "value": mean, **interval, "n": len(finite), **columns}


def median_row(metric: str, values: np.ndarray, **columns: Any) -> dict[str, Any]:
    """The median of (n,) values, called ``median_`` and the metric's name."""
    return {"metric": f"median_{metric}", "value": float(np.median(values)), "n": len(values), **columns}


def rate_row(metric: str, met: np.ndarray, **columns: Any) -> dict[str, Any]:
    """The share of (n,) bool with Wilson's interval."""
    low, high = wilson(int(met.sum()), met.size)
    return {
        "metric": metric, "value": float(met.mean()), "ci_low": low, "ci_high": high, "n": met.size, **columns
    }  # fmt: skip
