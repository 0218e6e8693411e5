"""Arrays and result rows of pushed items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elliot_advrec.threats.base import Moment
from elliot_advrec.threats.measured import Effect
from elliot_advrec.threats.popularity import STRATA
from elliot_advrec.threats.rows import mean_row, median_row, rate_row

MOMENTS: dict[str, Moment] = {
    "hit_rate": "after",
    "hit_rate_8bit": "after_8bit",
    "hit_rate_resubmitted": "after_resubmitted",
    "hit_rate_clean": "before",
}
"""Metric -> the picture it is about; of tries there is none where nothing stands in front."""
FEW = 10
"""Strata with fewer pairs have no rows of their own."""


def effect_arrays(before: Effect, after: Effect) -> dict[str, np.ndarray]:
    """What ``judge`` gives of them."""
    return {
        f"{name}_{moment}": values
        for moment, effect in (("before", before), ("after", after))
        for name, values in (
            ("score", effect.score),
            ("rank", effect.rank),
            *((f"hit_{k}", share) for k, share in effect.hits.items()),
        )
    }


def hits(pairs: Mapping[str, np.ndarray], k: int, moment: Moment) -> np.ndarray:
    """(n,) share of each pair's users with the item among their first k."""
    return np.asarray(pairs[f"hit_{k}_{moment}"])


def push_rows(pairs: Mapping[str, np.ndarray], cutoffs: Sequence[int]) -> list[dict[str, Any]]:
    """Rows over pairs.

    ``hit_rate`` (HR@k of the pushed item over the attacked pairs), ``_8bit`` of the rounded picture,
    ``_resubmitted`` of the best of several tries and ``_clean`` of the untouched one; ``prediction_shift``,
    the mean growth of the score; ``rank_shift``, the mean number of places it rose; median ranks; at the
    longest list, hit rates by stratum of the item's popularity where several strata have at least 10 pairs.
    """
    found = [
        _share(metric, hits(pairs, k, moment), k=k)
        for metric, moment in MOMENTS.items()
        for k in cutoffs
        if f"hit_{k}_{moment}" in pairs
    ]
    found.append(mean_row("prediction_shift", pairs["score_after"] - pairs["score_before"]))
    found.append(mean_row("rank_shift", pairs["rank_before"] - pairs["rank_after"]))
    found += [median_row(name, pairs[name]) for name in ("rank_before", "rank_after")]
    longest, stratum = max(cutoffs), pairs["stratum"]
    there = [number for number in range(len(STRATA)) if (stratum == number).sum() >= FEW]
    if len(there) > 1:
        share = hits(pairs, longest, "after")
        found += [_share(f"hit_rate_{STRATA[n]}", share[stratum == n], k=longest) for n in there]
    return found


def _share(metric: str, values: np.ndarray, **columns: Any) -> dict[str, Any]:
    """The mean of (n,) shares; of single users, whose shares are 0 or 1, it is a rate."""
    if np.isin(values, (0.0, 1.0)).all():
        return rate_row(metric, values > 0, **columns)
    return mean_row(metric, values, low=0.0, high=1.0, **columns)
