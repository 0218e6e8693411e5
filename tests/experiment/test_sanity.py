"""The checks that a run makes of its own numbers, on rows that are possible and on rows that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.sanity import checks, refuse_failed
from elliot_advrec.experiment.stages import Finished, Stage, complete, row
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.threats.cold_start import ColdStart, ColdStartConfig
from elliot_advrec.threats.item_to_item import ItemToItem
from elliot_advrec.threats.promotion import Promotion
from elliot_advrec.threats.push_config import PromotionConfig

CELL = {"recommender": "VBPR", "defense": "none", "norm": "linf", "seed": 1}
GOOD_PROBE = {
    "pairs": 8,
    "eps 0": True,
    "white_box": True,
    "batch difference": 0.001,
    "loss": 0.5,
    "zero gradients": 0.1,
}


def rate(value: float, n: int = 100, **columns: Any) -> dict[str, Any]:
    low, high = wilson(round(value * n), n)
    found = row("success_rate", value, ci_low=low, ci_high=high, n=n)
    return complete(
        found, {**CELL, "threat": "item_to_item", "attack": "pgd", "steps": 8, "rank_min": 3, **columns}
    )


def outcome(rows: list[dict[str, Any]], finished: list[Finished] | None = None) -> dict[str, bool]:
    def read(stage: Stage) -> dict[str, np.ndarray]:
        return {"linf": np.array([0.0301, 0.01]), "rank_after": np.array(stage.settings.get("ranks", []))}

    found = checks(rows, finished or [], read)
    return {check["check"]: check["passed"] for check in found}


def attack(name: str, threat: Any, eps: float = 0.03) -> Finished:
    tags = {**CELL, "threat": name, "attack": "pgd", "eps": eps}
    return Finished(
        Stage("attack", f"{name} attack", {"name": name}, {}, tags, {"threat": threat}), {}, False
    )


def probed(ranks: tuple[int, ...] = (1, 1, 2), **changes: Any) -> Finished:
    stage = Stage("probe", "probing", {"ranks": ranks}, parts={"threat": ItemToItem()})
    return Finished(stage, {"probe": {**GOOD_PROBE, **changes}}, False)


@pytest.mark.parametrize(
    ("values", "passed"), [((0.2, 0.6, 0.9), True), ((0.6, 0.55, 0.62), True), ((0.9, 0.2, 0.95), False)]
)
def test_success_grows_with_eps_within_the_intervals(values: tuple[float, ...], passed: bool) -> None:
    rows = [rate(value, eps=eps) for value, eps in zip(values, (0.01, 0.03, 0.05), strict=True)]
    assert outcome(rows) == {"success grows with eps": passed}


def test_success_grows_with_steps() -> None:
    assert outcome([rate(0.9, eps=0.03, steps=8), rate(0.3, eps=0.03, steps=64)]) == {
        "success grows with steps": False
    }


def test_single_steps_may_lose_with_eps() -> None:
    assert outcome([rate(0.5, eps=0.01, steps=1), rate(0.1, eps=0.05, steps=1)]) == {}


@pytest.mark.parametrize(("black", "passed"), [(0.4, True), (0.95, False)])
def test_black_boxes_do_no_better_than_white_ones(black: float, passed: bool) -> None:
    goals = {
        "white": Promotion(PromotionConfig()),
        "black": Promotion(PromotionConfig.model_validate({"knowledge": "rank"})),
    }
    rows = [
        rate(value, threat=name, eps=0.03, rank_min=None, k=10, attack=by)
        for name, value, by in (("white", 0.5, "pgd"), ("black", black, "bb"))
    ]
    finished = [attack(name, goal, eps=0.04) for name, goal in goals.items()]
    assert outcome(rows, finished)["the white box is at least as strong as the black box"] is passed


@pytest.mark.parametrize(("eps", "passed"), [(0.0302, True), (0.03, False)])
def test_the_bound_holds_on_what_files_hold(eps: float, passed: bool) -> None:
    found = outcome([], [attack("item_to_item", ItemToItem(), eps)])
    assert found == {"the bound holds after rounding to 8 bits": passed}


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({}, None),
        ({"eps 0": False}, "eps 0 gives the clean picture"),
        ({"zero gradients": 0.97}, "gradients do not vanish"),
        ({"batch difference": 0.2}, "results do not depend on the batch"),
        ({"ranks": (101, 102, 3)}, "without bounds the attack succeeds"),
    ],
)
def test_probes_fail_one_by_one(change: dict[str, Any], failing: str | None) -> None:
    found = outcome([], [probed(**change)])
    assert len(found) == 4
    assert [name for name, passed in found.items() if not passed] == ([failing] if failing else [])


@pytest.mark.parametrize(("knowledge", "asked"), [("insider", True), ("expert", False)])
def test_a_threat_whose_loss_is_not_its_success_is_not_asked_to_succeed(knowledge: str, asked: bool) -> None:
    threat = ColdStart(ColdStartConfig.model_validate({"knowledge": knowledge, "pairs": 4}))
    done = Finished(Stage("probe", "probing", {}, parts={"threat": threat}), {"probe": GOOD_PROBE}, False)
    arrays = {f"hit_{k}_{moment}": np.zeros(4) for k in threat.config.k for moment in ("before", "after")}
    found = {check["check"] for check in checks([], [done], lambda _: arrays)}
    assert "gradients do not vanish" in found
    assert ("without bounds the attack succeeds" in found) == asked


def test_a_strict_run_fails_with_the_first_check() -> None:
    found = [
        {"check": "a", "on": "x", "passed": True, "detail": ""},
        {"check": "gradients do not vanish", "on": "probing", "passed": False, "detail": "97 %"},
    ]
    refuse_failed(found[:1], Path("out"))
    with pytest.raises(
        UserError, match=r"1 of 2 sanity checks failed, .*gradients do not vanish, on probing"
    ):
        refuse_failed(found, Path("out"))
