"""Result rows over triples: hit ratio and nDCG, sampled and in the catalog, scores, the BPR loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elliot_advrec.threats.base import Moment
from elliot_advrec.threats.rows import mean_row, median_row, rate_row

MOMENTS: dict[str, Moment] = {
    "": "after",
    "_8bit": "after_8bit",
    "_resubmitted": "after_resubmitted",
    "_clean": "before",
}
"""Ending of a metric's name -> the picture it is about."""


def positives(pairs: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) bool: the pairs that are the test item of a whole triple."""
    return (pairs["triple"] >= 0) & ~pairs["raised"]


def triple_rows(pairs: Mapping[str, np.ndarray], cutoffs: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of what ``Untargeted.judge`` gave; none where no triple is whole.

    ``sampled_HR`` and ``sampled_nDCG`` at k, of the test item among its triple's items, ``catalog_HR`` and
    ``catalog_nDCG`` in the whole catalog, each ``_8bit`` of the rounded pictures, ``_resubmitted`` of the
    best of several tries and ``_clean`` of the untouched ones too; ``bpr_loss``, the mean over a triple's
    negatives of -ln sigmoid(s_ui - s_uj); the median place in the catalog; ``prediction_shift``, the mean
    growth of the score, of either kind of item.
    """
    own = positives(pairs)
    if not own.any():
        return []
    found: list[dict[str, Any]] = []
    for kind in ("sampled", "catalog"):
        for ending, moment in MOMENTS.items():
            if f"{kind}_place_{moment}" not in pairs:  # tries, where nothing stands in front
                continue
            place = pairs[f"{kind}_place_{moment}"][own]
            for k in cutoffs:
                # One relevant item, so that the ideal gain is 1.
                gain = np.where(place <= k, 1 / np.log2(place + 1), 0.0)
                found.append(rate_row(f"{kind}_HR{ending}", place <= k, k=k))
                found.append(mean_row(f"{kind}_nDCG{ending}", gain, low=0.0, high=1.0, k=k))
    whole = pairs["triple"] >= 0
    for moment in ("before", "after"):
        scores = pairs[f"score_{moment}"][whole].reshape(int(own.sum()), -1).astype(np.float64)
        loss = np.logaddexp(0.0, scores[:, 1:] - scores[:, :1]).mean(axis=1)
        found.append(mean_row(f"bpr_loss_{moment}", loss))
        found.append(median_row(f"catalog_place_{moment}", pairs[f"catalog_place_{moment}"][own]))
    shift = pairs["score_after"].astype(np.float64) - pairs["score_before"]
    found.append(mean_row("prediction_shift_test_items", shift[own]))
    found.append(mean_row("prediction_shift_negatives", shift[whole & ~own]))
    return found
