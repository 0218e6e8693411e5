"""Are success rates possible? What must hold between those of one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from elliot_advrec.experiment.stages import Finished
from elliot_advrec.threats import Threat

CELL = ("recommender", "defense", "threat", "attack", "norm", "rank_min", "k", "seed")

Row = Mapping[str, Any]


def rate_checks(rows: Sequence[Row], finished: Sequence[Finished]) -> list[dict[str, Any]]:
    """What must hold between success rates.

    Args:
        rows: result rows.
        finished: all stages, which say what attacks and defenses are.
    """
    refusing = _refusing(finished)
    rates = [row for row in rows if row["metric"] == "success_rate"]
    stepping = [row for row in rates if (row["steps"] or 1) > 1]
    made = [row for row in stepping if _made_for(row, refusing)]
    return [
        *_growing(made, "eps", ("steps",)),
        *_growing(made, "steps", ("eps",)),
        *_knowing(stepping, refusing),
        *_black_box(rates, {done.stage.key: done for done in finished}.values()),
    ]


def check(name: str, on: str, passed: bool, detail: str) -> dict[str, Any]:
    """One check, as results and reports hold it."""
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
        found.append(check(f"success grows with {column}", _where(ordered[0]), not falls, said))
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
            check(
                "knowing the defense does not weaken the attack",
                _where(best),
                best["ci_high"] >= oblivious["ci_low"],
                f"{best['value']:.3f}, oblivious {oblivious['value']:.3f}",
            )
        )
    return found


def _black_box(rates: Sequence[Row], stages: Iterable[Finished]) -> list[dict[str, Any]]:
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
        check(
            "the white box is at least as strong as the black box",
            _where(kept[False]),
            kept[False]["ci_low"] <= kept[True]["ci_high"],
            ", ".join(f"{kept[white]['attack']} {kept[white]['value']:.3f}" for white in (True, False)),
        )
        for kept in best.values()
        if len(kept) == 2
    ]


def _where(row: Row) -> str:
    parts = (row[name] for name in ("threat", "attack", "recommender", "defense"))
    rule = f", rank {row['rank_min']}" if row["rank_min"] is not None else ""
    rule += f", top {row['k']}" if row["k"] is not None else ""
    return ", ".join(str(part) for part in parts if part is not None) + rule
