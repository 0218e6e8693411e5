"""Is a defense better than none, on the very same pairs? Exact McNemar tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elliot_advrec.experiment.stages import Stage, complete, row
from elliot_advrec.metrics.significance import benjamini_hochberg, mcnemar

SAME = ("threat", "attack", "eps", "norm", "steps", "seed")


def compare(
    attacks: list[Stage], read: Callable[[Stage], Mapping[str, np.ndarray]], recommenders: list[str]
) -> list[dict[str, Any]]:
    """``p_value_vs_none`` rows: success of each attack on each defense against the same attack on none.

    Args:
        attacks: finished attack stages.
        read: the per-pair arrays of one of them.
        recommenders: names of the recommenders that the attacks are judged on.
    """
    undefended = {_same(stage): stage for stage in attacks if stage.tags["defense"] == "none"}
    pending: list[tuple[Stage, int, int]] = []
    values: list[float] = []
    for stage in attacks:
        peer = undefended.get(_same(stage))
        if peer is None or peer is stage or stage.tags["defense"] == "none":
            continue
        ours, theirs = read(stage)["rank_after"], read(peer)["rank_after"]
        for limit in stage.parts["threat"].config.rank_min:
            pending.append((stage, limit, len(ours)))
            values.append(mcnemar(ours <= limit, theirs <= limit).p)
    corrected = benjamini_hochberg(values)
    return [
        complete(row("p_value_vs_none", float(p), rank_min=limit, n=n, recommender=name), stage.tags)
        for (stage, limit, n), p in zip(pending, corrected, strict=True)
        for name in recommenders
    ]


def _same(stage: Stage) -> tuple[Any, ...]:
    return (*(stage.tags[column] for column in SAME), stage.parts["pairs"])
