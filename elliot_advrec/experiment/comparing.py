"""Is a defense better than none, on the very same pairs? Exact McNemar tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elliot_advrec.experiment.stages import Stage, complete, row
from elliot_advrec.metrics.significance import benjamini_hochberg, mcnemar
from elliot_advrec.threats import Threat

SAME = ("threat", "attack", "eps", "norm", "steps", "seed", "recommender")


def compare(
    attacks: list[Stage],
    read: Callable[[Stage], Mapping[str, np.ndarray]],
    recommenders: Mapping[str, list[str]],
) -> list[dict[str, Any]]:
    """``p_value_vs_none`` rows: success of each attack on each defense against the same attack on none.

    Args:
        attacks: finished attack stages.
        read: the per-pair arrays of one of them.
        recommenders: threat -> names of the recommenders that it is judged on.
    """
    undefended = {_same(stage): stage for stage in attacks if stage.tags["defense"] == "none"}
    pending: list[tuple[Stage, dict[str, Any], int]] = []
    values: list[float] = []
    for stage in attacks:
        peer = undefended.get(_same(stage))
        if peer is None or peer is stage or stage.tags["defense"] == "none":
            continue
        threat: Threat = stage.parts["threat"]
        ours, theirs = (threat.successes(read(each), "after") for each in (stage, peer))
        for one, other in zip(ours, theirs, strict=True):
            # Who is attacked may depend on the defense, and an attack on few pairs may leave none to count.
            if len(one.met) != len(other.met) or not len(one.met):
                continue
            pending.append((stage, dict(one.columns), len(one.met)))
            values.append(mcnemar(one.met, other.met).p)
    corrected = benjamini_hochberg(values)
    return [
        complete({**row("p_value_vs_none", float(p), n=n, **columns), "recommender": name}, stage.tags)
        for (stage, columns, n), p in zip(pending, corrected, strict=True)
        for name in (
            [stage.tags["recommender"]] if "recommender" in stage.tags else recommenders[stage.tags["threat"]]
        )
    ]


def _same(stage: Stage) -> tuple[Any, ...]:
    # Whoever knows of a defense is compared with the same attack on none.
    tags = {**stage.tags, "attack": stage.parts.get("named", stage.tags["attack"])}
    return (*(tags.get(column) for column in SAME), stage.parts["pairs"])
