"""Result rows of an attack, counted from what it left of each pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from elliot_advrec.metrics.detection import at_fpr, auroc, confusion
from elliot_advrec.metrics.rates import Rate
from elliot_advrec.threats import Moment, Threat
from elliot_advrec.threats.rows import mean_row, rate_row

SIZES = ("ssim", "psnr", "linf", "l2")
"""Of the perturbation as 8-bit files hold it."""
SPENT = ("gradient_evaluations", "queries")
MOMENTS: dict[str, Moment] = {
    "success_rate": "after",
    "success_rate_8bit": "after_8bit",
    "success_rate_resubmitted": "after_resubmitted",
    "success_rate_clean": "before",
}
FPR = 0.01
"""False-positive rate at which detectors are compared."""


def attack_rows(threat: Threat, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Success by each rule of the threat, what else it measures, and what pictures and attack cost."""
    return [
        *success_rows(threat, pairs),
        *threat.rows(pairs),
        # SSIM cannot exceed 1, whatever Student's t says of its mean.
        *(mean_row(metric, pairs[metric], high=1.0 if metric == "ssim" else math.inf) for metric in SIZES),
        *([mean_row("lpips", pairs["lpips"], low=0.0)] if "lpips" in pairs else []),
        *(mean_row(metric, pairs[metric]) for metric in SPENT if metric in pairs),
        *_upload_rows(pairs),
    ]


def success_rows(threat: Threat, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Success rates of the float and the 8-bit picture, the best try, and the untouched one, by each rule."""
    found: list[dict[str, Any]] = []
    tried = any(name.endswith("_after_resubmitted") for name in pairs if not name.startswith("flagged"))
    by_moment = {
        metric: threat.successes(pairs, moment)
        for metric, moment in MOMENTS.items()
        if tried or moment != "after_resubmitted"
    }
    for rules in zip(*by_moment.values(), strict=True):
        found += [
            rate_row(metric, rule.met, **rule.columns)
            for metric, rule in zip(by_moment, rules, strict=True)
            if len(rule.met)
        ]
    return found


def _upload_rows(pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Of attacks that upload pictures: how many, and whether and when a shop that looks raises an alarm."""
    until = pairs.get("queries_until_detected")
    if until is None:
        return []
    raised = np.isfinite(until)
    median = float(np.median(until[raised])) if raised.any() else None
    return [
        mean_row("image_updates", pairs["image_updates"]),
        rate_row("detected_accounts", raised),
        {"metric": "median_queries_until_detected", "value": median, "n": int(raised.sum())},
    ]


def detection_rows(
    pairs: Mapping[str, np.ndarray], clean: np.ndarray, threshold: float, test: np.ndarray
) -> list[dict[str, Any]]:
    """How a detector did on the attacked pictures, as 8-bit files hold them.

    ``flagged`` is the share of all pictures that the attacker handed in. All others are of test pictures, on
    which nothing was fitted, each once (as it was attacked first): ``detection_accuracy``, right verdicts
    over each attacked picture and its untouched self; ``detection_tpr``, the share that is flagged;
    ``detection_auroc`` and ``detection_tpr_at_1_fpr``, against ``clean`` ones.

    Args:
        pairs: of an attack on a defense with a detector.
        clean: (m,) scores of clean test pictures; none: the last two are left out.
        threshold: scores above it are flagged.
        test: catalog rows of test pictures; where none of them is attacked, ``flagged`` is all.
    """
    if "suspicion_after_8bit" not in pairs:
        return []
    handed_in = confusion(pairs["suspicion_before"], pairs["suspicion_after_8bit"], threshold)
    found = [_rate_row("flagged", handed_in.tpr)]
    rows, first = np.unique(pairs["attack_row"], return_index=True)
    first = first[np.isin(rows, test)]
    if not len(first):
        return found
    attacked = pairs["suspicion_after_8bit"][first]
    verdicts = confusion(pairs["suspicion_before"][first], attacked, threshold)
    found.append(_rate_row("detection_accuracy", verdicts.accuracy))
    found.append(_rate_row("detection_tpr", verdicts.tpr))
    if len(clean):
        found.append(_rate_row("detection_auroc", auroc(clean, attacked)))
        found.append(_rate_row("detection_tpr_at_1_fpr", at_fpr(clean, attacked, FPR).tpr))
    return found


def _rate_row(metric: str, rate: Rate) -> dict[str, Any]:
    return {"metric": metric, "value": rate.value, "ci_low": rate.low, "ci_high": rate.high, "n": rate.n}
