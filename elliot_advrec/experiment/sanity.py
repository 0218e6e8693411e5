"""Is what a run measured possible? Checks that every run makes of its own numbers.

A check that fails says that a number should not be believed before the reason is known; with ``strict`` the
run fails. The list follows Carlini et al. 2019, "On Evaluating Adversarial Robustness", section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.stages import Finished, Stage
from elliot_advrec.threats import Threat

ZERO = 0.9
"""Share of gradients that are exactly 0 from which they count as vanishing."""
SAME = 0.05
"""Difference of losses between batches, as a share of the loss, that rounding may make."""
ROUNDING = 1e-6
CELL = ("recommender", "defense", "threat", "attack", "norm", "rank_min", "k", "seed")

Row = Mapping[str, Any]


def checks(
    rows: Sequence[Row], finished: Iterable[Finished], read: Callable[[Stage], Mapping[str, np.ndarray]]
) -> list[dict[str, Any]]:
    """All checks of a run: ``check``, what it looked at (``on``), whether it ``passed``, and a ``detail``.

    Args:
        rows: result rows.
        finished: all stages; attacks and probes are looked at.
        read: the per-pair arrays of an attack or a probe.
    """
    finished = list(finished)
    refusing = _refusing(finished)
    stages = list({done.stage.key: done for done in finished}.values())
    rates = [row for row in rows if row["metric"] == "success_rate" and (row["steps"] or 1) > 1]
    made = [row for row in rates if _made_for(row, refusing)]
    found = [
        *_growing(made, "eps", ("steps",)),
        *_growing(made, "steps", ("eps",)),
        *_knowing(rates, refusing),
        *_black_box([row for row in rows if row["metric"] == "success_rate"], stages),
    ]
    for done in stages:
        if done.stage.kind == "attack" and done.stage.tags["norm"] == "linf":
            found.append(_bounded(done.stage, read(done.stage)))
        elif done.stage.kind == "probe":
            found += _probed(done.stage, done.record["probe"], read)
    return found


def refuse_failed(found: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Fail a run whose numbers cannot all be believed; everything is written by then.

    Raises:
        UserError: a check failed; names the first.
    """
    failed = [check for check in found if not check["passed"]]
    if failed:
        first = failed[0]
        raise UserError(
            f"{len(failed)} of {len(found)} sanity checks failed, the first: {first['check']}, "
            f"on {first['on']} ({first['detail']})",
            where=str(output / "results.json"),
            remedy="see 'checks' there, or set strict: false",
        )


def _check(name: str, on: str, passed: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "on": on, "passed": bool(passed), "detail": detail}


def _growing(rates: Sequence[Row], column: str, fixed: tuple[str, ...]) -> list[dict[str, Any]]:
    """Success does not fall when ``column`` grows, within the intervals; one check a sequence."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rates:
        groups.setdefault(tuple(row[name] for name in (*CELL, *fixed)), []).append(row)
    found = []
    for group in groups.values():
        ordered = sorted(group, key=lambda row: row[column])
        if len({row[column] for row in ordered}) < 2:
            continue
        falls = [(a, b) for a, b in pairwise(ordered) if b["ci_high"] < a["ci_low"]]
        said = ", ".join(f"{row[column]:g}: {row['value']:.3f}" for row in ordered)
        found.append(_check(f"success grows with {column}", _where(ordered[0]), not falls, said))
    return found


def _refusing(finished: Iterable[Finished]) -> set[str]:
    """Names of the defenses whose detector refuses pictures."""
    specs = [done.stage.parts["spec"] for done in finished if done.stage.kind == "guard"]
    return {spec.name for spec in specs if spec.detector is not None and spec.config.refuse}


def _made_for(row: Row, refusing: set[str]) -> bool:
    """Whether an attack looked at all that decides about its success.

    Pictures that are taken over were not made for the defense, and who does not mind a detector that refuses
    is seen the better the stronger the attack is.
    """
    seen = row["knowledge"] == "adaptive" and row["defense"] in refusing
    return row["knowledge"] != "oblivious" and not seen


def _knowing(rates: Sequence[Row], refusing: set[str]) -> list[dict[str, Any]]:
    """Whoever knows a defense does no worse than who does not; else its gradients hide something.

    Where a detector refuses pictures, only who minds it knows the defense.
    """
    found = []
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rates:
        if row["knowledge"] is not None:
            attack = row["attack"].removesuffix(f" ({row['knowledge']})")
            key = (attack, *(row[c] for c in (*CELL, "eps", "steps") if c != "attack"))
            groups.setdefault(key, {})[row["knowledge"]] = row
    for group in groups.values():
        oblivious = group.pop("oblivious", None)
        known = {"evading"} if oblivious is not None and oblivious["defense"] in refusing else set(group)
        if oblivious is None or not known & set(group):
            continue
        best = max(group.values(), key=lambda row: row["value"])
        found.append(
            _check(
                "knowing the defense does not weaken the attack",
                _where(best),
                best["ci_high"] >= oblivious["ci_low"],
                f"{best['value']:.3f}, oblivious {oblivious['value']:.3f}",
            )
        )
    return found


def _black_box(rates: Sequence[Row], stages: Sequence[Finished]) -> list[dict[str, Any]]:
    """Whoever sees values alone does no better than whoever follows the gradient of the same threat."""
    goals: dict[str, tuple[str, bool]] = {}
    for done in stages:
        if done.stage.kind == "attack":
            threat: Threat = done.stage.parts["threat"]
            settings = threat.config.model_dump(mode="json", exclude={*threat.counted, "knowledge"})
            goals[done.stage.tags["threat"]] = (f"{type(threat).__name__} {settings}", threat.white_box)
    best: dict[tuple[Any, ...], dict[bool, Row]] = {}
    for row in rates:
        if row["threat"] not in goals:
            continue
        goal, white = goals[row["threat"]]
        key = (goal, *(row[c] for c in ("recommender", "defense", "norm", "eps", "rank_min", "k", "seed")))
        kept = best.setdefault(key, {})
        if white not in kept or row["value"] > kept[white]["value"]:
            kept[white] = row
    return [
        _check(
            "the white box is at least as strong as the black box",
            _where(kept[False]),
            kept[False]["ci_low"] <= kept[True]["ci_high"],
            ", ".join(f"{kept[white]['attack']} {kept[white]['value']:.3f}" for white in (True, False)),
        )
        for kept in best.values()
        if len(kept) == 2
    ]


def _bounded(stage: Stage, pairs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of boxes alone: the attack asserts every norm itself, but rounding may leave a round ball."""
    largest, eps = float(np.max(pairs["linf"], initial=0.0)), stage.tags["eps"]
    return _check(
        "the bound holds after rounding to 8 bits",
        stage.label,
        largest <= eps + ROUNDING,
        f"{largest:.5f} of {eps:g}",
    )


def _probed(
    stage: Stage, probe: Mapping[str, Any], read: Callable[[Stage], Mapping[str, np.ndarray]]
) -> list[dict[str, Any]]:
    on = stage.label
    found = [_check("eps 0 gives the clean picture", on, probe["eps 0"], f"{probe['pairs']} pictures")]
    if not probe["white_box"]:
        return found
    zero, loss = probe["zero gradients"], probe["loss"]
    gap = probe["batch difference"]
    found += [
        _check("gradients do not vanish", on, zero < ZERO, f"{zero:.1%} of them are exactly 0"),
        _check(
            "results do not depend on the batch",
            on,
            gap <= SAME * max(loss, 1e-3),
            f"losses differ by at most {gap:.2g} of {loss:.2g}",
        ),
    ]
    threat: Threat = stage.parts["threat"]
    if threat.caveat() is not None:  # then the best attack on its loss need not succeed
        return found
    rules = threat.successes(read(stage), "after")
    # By the easiest rule: what an adversary without bounds must be able to do.
    share, tried = max(((float(np.mean(rule.met)), len(rule.met)) for rule in rules), default=(1.0, 0))
    return [
        *found,
        _check(
            "without bounds the attack succeeds",
            on,
            share >= 0.5,
            f"{share:.0%} of {tried} tried",
        ),
    ]


def _where(row: Row) -> str:
    parts = (row[name] for name in ("threat", "attack", "recommender", "defense"))
    rule = f", rank {row['rank_min']}" if row["rank_min"] is not None else ""
    rule += f", top {row['k']}" if row["k"] is not None else ""
    return ", ".join(str(part) for part in parts if part is not None) + rule
