"""Elliot's early stopping: a row of validated epochs none of which got better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from elliot_advrec.progress import Progress
from elliot_advrec.recommenders.bpr.config import EarlyStopping


def stops(rule: EarlyStopping, observed: Sequence[float], progress: Progress) -> bool:
    """Whether training ends here.

    With ``patience`` p the last p + 1 values are compared in pairs, older with newer, and training ends if no
    pair is an improvement. An unchanged value is one, unless ``min_delta`` or ``rel_delta`` say otherwise:
    so it is in Elliot. (Elliot 0.3.1 knows only ``mode: auto``; ``min`` and ``max`` fail there.)

    Args:
        rule: ``monitor`` decides what ``observed`` is.
        observed: one value a validated epoch, oldest first.
        progress: hears the comparisons, if the rule is verbose.
    """
    if not rule.patience or len(observed) <= rule.patience:
        return False
    pairs = list(pairwise(observed[-(rule.patience + 1) :]))
    stalled = [_stalled(rule, older, newer) for older, newer in pairs]
    if rule.verbose:
        said = ", ".join(
            f"{older:.5f} -> {newer:.5f} {'no better' if worse else 'better'}"
            for (older, newer), worse in zip(pairs, stalled, strict=True)
        )
        progress.say(f"  early stopping looked at {said}")
    return all(stalled)


def _stalled(rule: EarlyStopping, older: float, newer: float) -> bool:
    """Whether ``newer`` is no improvement; shares and baseline refer to Elliot's side of the pair."""
    gain = older - newer if rule.downwards else newer - older
    base = older if rule.downwards else newer
    return (
        gain < 0
        or (rule.min_delta is not None and gain <= rule.min_delta)
        or (rule.rel_delta is not None and gain <= base * rule.rel_delta)
        or (
            rule.baseline is not None and (base >= rule.baseline if rule.downwards else base <= rule.baseline)
        )
    )
