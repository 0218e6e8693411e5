"""A whole tiny matrix: every number is there, a second run does nothing, batches change nothing."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_recipes import matrix, save, small

from elliot_advrec import report
from elliot_advrec.experiment import describing_systems, learning, make_plan
from elliot_advrec.experiment.stages import COLUMNS
from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

Results = dict[str, Any]
Row = dict[str, Any]

RATES = ("success_rate", "success_rate_8bit", "success_rate_clean")
COSTS = (
    "cosine_before",
    "cosine_after",
    "ssim",
    "psnr",
    "linf",
    "l2",
    "gradient_evaluations",
    "queries",
    "median_rank_before",
    "median_rank_after",
)
ACCURACIES = ("accuracy", "top5_accuracy", "category_loss", "texture_top1_precision", "texture_loss")


def run(recipe: dict[str, Any], folder: Path, store: Path | None = None) -> Results:
    folder.mkdir(parents=True, exist_ok=True)
    return embedded.run(load(save(recipe, folder / "recipe.yml")), folder / "out", store=store)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def results(place: Path) -> Results:
    return run(matrix(), place)


@pytest.fixture(scope="module")
def arrays(place: Path, results: Results) -> dict[str, np.ndarray]:
    with np.load(place / "out" / "exhibits.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def cells(results: Results) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by (defense, attack, eps), of attacks on the threat's pairs alone."""
    found = defaultdict(list)
    for row in results["rows"]:
        if row["threat"] is not None:
            found[row["defense"], row["attack"], row["eps"]].append(row)
    return found


def test_rows_have_every_column_and_json_numbers(results: Results) -> None:
    for row in results["rows"]:
        assert tuple(row) == COLUMNS
        assert math.isfinite(row["value"])
        assert row["seed"] == 1
        assert row["n"] >= 1


def test_every_cell_has_every_metric(results: Results) -> None:
    found = cells(results)
    attacks = {("fgsm", 0.01), ("fgsm", 0.03), ("pgd", 0.05), ("cw", 0.05)}
    assert set(found) == {(d, *a) for d in ("none", "at", "cat") for a in attacks}
    for (defense, attack, _), rows in found.items():
        have = {(row["metric"], row["rank_min"], row["k"]) for row in rows}
        expected: set[tuple[Any, ...]] = {(metric, rank, None) for metric in RATES for rank in (1, 3)}
        expected |= {(metric, None, None) for metric in COSTS}
        expected |= {(metric, None, k) for metric in ("nDCG", "HR") for k in (5, 10)}
        if defense != "none":
            expected |= {("p_value_vs_none", rank, None) for rank in (1, 3)}
        assert have == expected
        assert len(rows) == len(have)
        assert {row["recommender"] for row in rows} == {"ContentKNN"}
        assert {row["n"] for row in rows if row["metric"] in RATES} == {4 if attack == "cw" else 5}
        assert {row["n"] for row in rows if row["metric"] in ("nDCG", "HR")} == {12}


def test_every_defense_has_accuracy_and_every_recommender_its_clean_quality(results: Results) -> None:
    rows = [row for row in results["rows"] if row["threat"] is None]
    for defense in ("none", "at", "cat"):
        of_it = [row for row in rows if row["defense"] == defense]
        accuracy = {row["metric"]: row for row in of_it if row["recommender"] is None}
        assert set(accuracy) == {*ACCURACIES, "adversarial_accuracy"}
        assert accuracy["accuracy"]["n"] == 8
        attacked = accuracy["adversarial_accuracy"]
        assert (attacked["attack"], attacked["steps"], attacked["eps"]) == ("pgd", 8, 0.03)
        clean = {(row["recommender"], row["metric"], row["k"]) for row in of_it if row["recommender"]}
        assert clean == {
            (r, m, k) for r in ("ContentKNN", "MostPop") for m in ("nDCG", "HR") for k in (5, 10)
        }


def test_accuracy_under_attack_is_of_some_pictures_of_a_large_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (learning, describing_systems):
        monkeypatch.setattr(module, "PICTURES", 5)
    recipe = load(save(small(defenses=["none"]), tmp_path / "recipe.yml"))
    plan = make_plan(recipe, "cpu")
    (stage,) = (stage for stage in plan.stages if stage.kind == "accuracy")
    assert plan.gradients(stage) == 5 * 8
    results = embedded.run(recipe, tmp_path / "out")
    counts = {row["metric"]: row["n"] for row in results["rows"] if row["metric"].endswith("accuracy")}
    assert counts["adversarial_accuracy"] == 5 < counts["accuracy"]
    (made,) = (stage for stage in results["stages"] if stage["kind"] == "accuracy")
    assert made["gradient_evaluations"] == 5 * 8
    assert "Of the images 5 were attacked." in (tmp_path / "out" / "report.html").read_text("utf-8")
    rows = np.arange(10, 90)
    some = learning._some(rows, 1)
    assert len(set(some)) == 5
    assert set(some) <= set(rows)
    assert np.array_equal(some, learning._some(rows, 1))
    assert not np.array_equal(some, learning._some(rows, 2))
    assert np.array_equal(learning._some(rows[:5], 1), rows[:5])


def test_intervals_hold_their_value(results: Results) -> None:
    with_interval = [row for row in results["rows"] if row["ci_low"] is not None]
    assert {row["metric"] for row in with_interval} >= {*RATES, "accuracy", "HR", "nDCG", "cosine_after"}
    for row in with_interval:
        assert row["ci_low"] - 1e-12 <= row["value"] <= row["ci_high"] + 1e-12, row


def test_attacks_hold_their_budget_and_do_something(results: Results) -> None:
    for (_, _, eps), rows in cells(results).items():
        value = {row["metric"]: row["value"] for row in rows}
        assert 0 < value["linf"] <= eps + 1e-6
        assert value["cosine_after"] > value["cosine_before"]
        assert value["gradient_evaluations"] >= 1


def test_the_document_is_json_and_says_what_was_simulated(place: Path, results: Results) -> None:
    written = json.loads((place / "out" / "results.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert written == results
    assert written["format"] == report.FORMAT
    assert {"elliot_advrec", "python", "torch", "timm", "numpy"} <= set(written["versions"])
    assert written["seeds"] == [1]
    assert any("simulated" in note for note in written["notes"])
    assert written["recipe"]["experiment"]["adversarial"]["catalog"]["items"] == 40
    assert [stage["cached"] for stage in written["stages"]] == [False] * len(written["stages"])
    attacks = [stage for stage in written["stages"] if stage["kind"] == "attack"]
    assert [stage["gradient_evaluations"] for stage in attacks if stage["name"].startswith("pgd")] == [15] * 3


def test_the_resolved_recipe_is_a_recipe_with_the_same_results(
    place: Path, results: Results, tmp_path: Path
) -> None:
    again = run(results["recipe"], tmp_path, place / "out" / "store")
    assert all(stage["cached"] for stage in again["stages"])
    assert again["rows"] == results["rows"]


def test_exhibits_are_named_in_the_index_and_all_are_there(
    results: Results, arrays: dict[str, np.ndarray]
) -> None:
    index = results["exhibits"]
    assert len(index["examples"]) == 3 * 3
    assert len(index["distances"]) == 3 * 4
    assert len(index["tsne"]) == 3
    assert set(_names(index, arrays)) == set(arrays)
    for example in index["examples"]:
        for name in ("original", "perturbed", "target"):
            image = arrays[example[name]]
            assert image.shape == (32, 32, 3)
            assert image.dtype == np.uint8
        change = arrays[example["perturbed"]].astype(int) - arrays[example["original"]]
        assert 0 < np.abs(change).max() <= math.floor(255 * example["eps"])
        after = example["neighbours_after"]
        assert max(abs(item["similarity"]) for item in after) <= 1 + 1e-6
        assert [item["similarity"] for item in after] == sorted(
            (i["similarity"] for i in after), reverse=True
        )
        shown = [item["item"] for item in after if item["is_attacked"]]
        assert shown == ([example["attack_item"]] if example["rank_after"] <= len(after) else [])
    for drawn in index["distances"]:
        assert (
            len(arrays[drawn["before"]])
            == len(arrays[drawn["after"]])
            == (4 if drawn["attack"] == "cw" else 5)
        )
    for picture in index["tsne"]:
        assert arrays[picture["points"]].shape == (40, 2)
        assert np.isfinite(arrays[picture["points"]]).all()


def _names(value: Any, arrays: dict[str, np.ndarray]) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _names(inner, arrays)
    elif isinstance(value, str) and value in arrays:
        yield value


def test_a_second_run_does_nothing_and_finds_the_same(place: Path, results: Results) -> None:
    def stamps() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in (place / "out" / "store").rglob("*") if p.is_file()}

    before = stamps()
    again = run(matrix(), place)
    assert all(stage["cached"] for stage in again["stages"])
    assert again["rows"] == results["rows"]
    assert again["exhibits"] == results["exhibits"]
    assert stamps() == before


def test_another_rank_min_is_counted_without_attacking_again(place: Path, results: Results) -> None:
    recipe = matrix()
    recipe["experiment"]["adversarial"]["threats"][0]["rank_min"] = [2, 39]
    again = run(recipe, place.parent / f"{place.name}-ranks", place / "out" / "store")
    assert all(stage["cached"] for stage in again["stages"])
    rates = [row for row in again["rows"] if row["metric"] == "success_rate"]
    assert {row["rank_min"] for row in rates} == {2, 39}
    # Whoever is not the target itself is among the 39 others.
    assert {row["value"] for row in rates if row["rank_min"] == 39} == {1.0}


def test_a_damaged_stage_is_made_again_with_the_same_result(tmp_path: Path) -> None:
    first = run(small(), tmp_path)
    [pairs] = (tmp_path / "out" / "store" / "attack").glob("*/pairs.npz")
    pairs.write_bytes(pairs.read_bytes()[:100])
    again = run(small(), tmp_path)
    assert [stage["kind"] for stage in again["stages"] if not stage["cached"]] == ["attack"]
    assert again["rows"] == first["rows"]


def values(results: Results) -> dict[tuple[Any, ...], float]:
    named = [c for c in COLUMNS if c not in ("value", "ci_low", "ci_high")]
    return {tuple(row[c] for c in named): row["value"] for row in results["rows"]}


def test_the_batch_size_and_other_budgets_beside_it_change_nothing(tmp_path: Path) -> None:
    attack = {"preset": "pgd", "steps": 3}
    store = tmp_path / "store"
    one = values(run(small(batch_size=1, attacks=[{**attack, "eps": 0.05}]), tmp_path / "1", store))
    all_ = values(run(small(batch_size=5, attacks=[{**attack, "eps": [0.02, 0.05]}]), tmp_path / "5", store))
    assert set(one) < set(all_)
    for name, value in one.items():
        assert all_[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


def test_seeds_are_repetitions_of_their_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    both = run(small(seeds=[1, 2]), tmp_path / "both", store)
    second = run(small(seeds=[2]), tmp_path / "second", store)
    assert all(stage["cached"] for stage in second["stages"])
    assert [row for row in both["rows"] if row["seed"] == 2] == second["rows"]
    cosines = {row["seed"]: row["value"] for row in both["rows"] if row["metric"] == "cosine_after"}
    assert cosines[1] != cosines[2]
