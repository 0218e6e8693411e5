"""Pictures of filters and detectors in a tiny run: every array is what the stages left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_recipes import save, small

from elliot_advrec import report
from elliot_advrec.experiment.album import largest
from elliot_advrec.experiment.exhibiting_guards import _strongest
from elliot_advrec.experiment.plan import make_plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

EPS = 16 / 255
DEFENSES = [
    {"name": "both", "filter": "jpeg", "detector": {"preset": "squeezing", "fpr": 0.4}, "evasion": [1.0]},
    {"name": "detector", "detector": {"preset": "squeezing", "fpr": 0.4}, "evasion": [1.0], "refuse": False},
    {"name": "filter", "filter": "bit_depth", "knowledge": ["adaptive"]},
]
ATTACKS = [{"preset": "fgsm", "eps": [0.01, EPS]}, {"preset": "pgd", "steps": 2, "eps": [EPS]}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("guarded")
    save(small(defenses=DEFENSES, attacks=ATTACKS), place / "recipe.yml")
    embedded.run(load(place / "recipe.yml"), place / "out")
    return place


@pytest.fixture(scope="module")
def written(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return report.load(folder / "out")


def pairs(folder: Path, defense: str, attack: str) -> dict[str, np.ndarray]:
    """What an attack at the largest budget left in the store."""
    plan = make_plan(load(folder / "recipe.yml"), "cpu")
    [stage] = {
        stage.key: stage
        for stage in plan.stages
        if stage.kind == "attack"
        and (stage.tags["defense"], stage.tags["attack"]) == (defense, attack)
        and stage.tags["eps"] == pytest.approx(EPS)
    }.values()
    with np.load(folder / "out" / "store" / "attack" / stage.key / "pairs.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_scores_are_those_of_the_largest_budget_by_every_attacker(folder, written) -> None:
    results, arrays = written
    found = results["exhibits"]["suspicion"]
    named = {(one["defense"], one["attack"], one["knowledge"]) for one in found}
    assert named == {
        (defense, f"{attack} ({knowledge})", knowledge)
        for defense in ("both", "detector")
        for attack in ("fgsm", "pgd")
        for knowledge in ("oblivious", "adaptive", "evading")
    }
    threshold = {
        row["defense"]: row["value"] for row in results["rows"] if row["metric"] == "detection_threshold"
    }
    flagged = {
        (row["defense"], row["attack"]): row["value"]
        for row in results["rows"]
        if row["metric"] == "flagged" and row["eps"] == pytest.approx(EPS)
    }
    for one in found:
        assert one["eps"] == pytest.approx(EPS)
        assert one["threshold"] == threshold[one["defense"]]
        attacked = arrays[one["attacked"]]
        left = pairs(folder, one["defense"], one["attack"])
        np.testing.assert_array_equal(attacked, left["suspicion_after_8bit"])
        share = float(np.mean(attacked > one["threshold"]))
        assert share == pytest.approx(flagged[one["defense"], one["attack"]])
        clean = [row for row in results["rows"] if row["metric"] == "flagged_clean"]
        assert len(arrays[one["clean"]]) == clean[0]["n"]


def test_a_map_has_every_kind_of_picture_but_refused_ones(folder, written) -> None:
    results, arrays = written
    shifts = {one["defense"]: one for one in results["exhibits"]["shifts"]}
    everyone = ["oblivious", "adaptive", "evading"]
    assert {name: one["groups"] for name, one in shifts.items()} == {
        "both": ["clean", "filtered", *everyone],
        "detector": ["clean", *everyone],  # without a filter there is nothing that is filtered
        "filter": ["clean", "filtered", "adaptive"],
    }
    for name, one in shifts.items():
        assert (one["attack"], one["steps"], one["threat"]) == ("pgd", 2, "item_to_item")
        assert "knowledge" not in one
        labels, points = arrays[one["labels"]], arrays[one["points"]]
        assert points.shape == (len(labels), 2)
        assert np.isfinite(points).all()
        sizes = dict(zip(one["groups"], np.bincount(labels, minlength=len(one["groups"])), strict=True))
        refused = dict(zip(one["groups"], one["refused"], strict=True))
        for knowledge in set(one["groups"]) - {"clean", "filtered"}:
            left = pairs(folder, name, f"pgd ({knowledge})")
            expected = int(left["flagged_after_8bit"].sum()) if name == "both" else 0
            assert refused[knowledge] == expected
            assert sizes[knowledge] == len(left["attack_row"]) - expected
        assert refused["clean"] == 0


def test_the_report_draws_them(folder, written) -> None:
    html = (folder / "out" / "report.html").read_text("utf-8")
    assert html.count("scores of the detector") == 2 * 2
    assert html.count("t-SNE of clean, filtered and attacked pictures") == 3
    assert "is not in exhibits.npz" not in html


def stage(**tags: Any) -> Stage:
    tags = {"threat": "t", "attack": "pgd (adaptive)", "norm": "linf", "eps": 0.03, "steps": 4} | tags
    return Stage("attack", "", {}, {}, tags, {"named": tags["attack"].partition(" ")[0]})


def test_of_an_attack_the_largest_budget_is_shown_for_each_aim() -> None:
    many = stage(steps=8)
    kept = [stage(eps=0.05), many, stage(), stage(recommender="VBPR"), stage(eps=0.01, recommender="VBPR")]
    assert largest(kept) == [kept[0], kept[3]]
    assert largest([many, stage()]) == [many]
    assert len(largest([stage(), stage(attack="pgd (evading)"), stage(norm="l2")])) == 3


def test_a_map_is_of_the_attack_that_most_attackers_ran_within_a_bound() -> None:
    pasted = stage(attack="paste (oblivious)", eps=1.0)
    l2 = stage(attack="cw_l2 (adaptive)", norm="l2", eps=3.0)
    weak = [stage(eps=0.01, attack=f"pgd ({knowledge})") for knowledge in ("adaptive", "evading")]
    strong = [stage(attack=f"pgd ({knowledge})") for knowledge in ("adaptive", "evading")]
    assert _strongest([pasted, *weak, *strong, l2]) == [strong]
    assert _strongest([pasted]) == [[pasted]]
