"""Searches: candidates are judged on the validation part, the best is reported, all are listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_folds import CROSS, DRAWN, plain, run
from tiny_recipes import save, small

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Store, Workspace, make_plan, resolve_device, run_plan
from elliot_advrec.hosts import embedded
from elliot_advrec.progress import Progress
from elliot_advrec.recipe import load
from elliot_advrec.recommenders.item_knn import ItemKNN

HELD = {
    "test_splitting": {"strategy": "random_subsampling", "test_ratio": 0.2},
    "validation_splitting": {"strategy": "random_subsampling", "test_ratio": 0.2},
}
KEYS = {"evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR"]}, "splitting": HELD}
Tree = dict[str, Any]


def value(results: Tree, model: str, metric: str = "nDCG", k: int = 5) -> float:
    [found] = [
        row["value"]
        for row in results["rows"]
        if (row["recommender"], row["metric"], row["k"]) == (model, metric, k)
    ]
    return float(found)


def test_the_best_on_validation_is_reported_and_all_are_listed(tmp_path: Path) -> None:
    store = tmp_path / "store"
    each = {}
    for neighbors in (2, 20, 100):
        found = run(plain(tmp_path, {"ItemKNN": {"neighbors": neighbors}}, **KEYS), store)
        each[neighbors] = {(row["metric"], row["k"]): row["value"] for row in found["rows"]}
    meta = {"validation_metric": "HR@10"}
    results = run(plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20, 100], "meta": meta}}, **KEYS), store)
    [search] = results["searches"]
    assert [trial["settings"] for trial in search["trials"]] == [{"neighbors": n} for n in (2, 20, 100)]
    losses = [trial["loss"] for trial in search["trials"]]
    assert losses.index(min(losses)) == search["best"]
    assert len(set(losses)) == 3
    for trial in search["trials"]:
        expected = {f"{m}@{k}": v for (m, k), v in each[trial["settings"]["neighbors"]].items()}
        assert trial["test"] == pytest.approx(expected)
    best = search["trials"][search["best"]]["settings"]["neighbors"]
    assert {(row["metric"], row["k"]): row["value"] for row in results["rows"]} == each[best]
    assert "ItemKNN: the best of 3 candidates by HR@10 on the validation part." in results["notes"]
    performance = tmp_path / "out" / "performance"
    written = json.loads((performance / "bestmodelparams_cutoff_5_relthreshold_0.json").read_text("utf-8"))
    assert written[1]["configuration"]["neighbors"] == best
    assert written[1]["meta"] == meta
    lines = (performance / "rec_ItemKNN_cutoff_10_relthreshold_0.tsv").read_text("utf-8").splitlines()
    assert [line.split("_sim=")[0] for line in lines[1:]] == [f"ItemKNN_nn={n}" for n in (2, 20, 100)]


def test_without_a_validation_part_the_test_chooses_and_a_note_says_so(tmp_path: Path) -> None:
    keys = {
        **KEYS,
        "splitting": {"test_splitting": HELD["test_splitting"]},
        "print_results_as_triplets": True,
    }
    results = run(plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20]}}, **keys))
    [search] = results["searches"]
    assert [-trial["loss"] for trial in search["trials"]] == [t["test"]["nDCG@5"] for t in search["trials"]]
    assert any("on the test itself, as in Elliot" in note for note in results["notes"])
    performance = tmp_path / "out" / "performance"
    for name in ("triplets_rec_cutoff_5_relthreshold_0", "triplets_rec_ItemKNN_cutoff_5_relthreshold_0"):
        assert (performance / f"{name}.tsv").is_file()


def test_a_test_fold_has_one_search_over_its_validation_folds(tmp_path: Path) -> None:
    splitting = {"test_splitting": DRAWN, "validation_splitting": CROSS}
    path = plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20]}}, splitting=splitting)
    results = run(path)
    names = [stage["name"] for stage in results["stages"] if stage["kind"] == "search"]
    assert names == [f"search of ItemKNN, seed 42, fold {number}" for number in (1, 2)]
    assert sum(stage["kind"] == "recommender" for stage in results["stages"]) == 6
    alone = {}
    for neighbors in (2, 20):
        alone[neighbors] = run(plain(tmp_path, {"ItemKNN": {"neighbors": neighbors}}, splitting=splitting))
    chosen = [s["trials"][s["best"]]["settings"]["neighbors"] for s in results["searches"]]
    assert len(set(chosen)) == 1
    assert value(results, "ItemKNN", k=10) == value(alone[chosen[0]], "ItemKNN", k=10)
    tables = sorted(p.name for p in (tmp_path / "out" / "performance").glob("rec_ItemKNN*"))
    assert len(tables) == 2


def test_what_is_trained_is_chosen_by_its_loss_if_asked(tmp_path: Path) -> None:
    settings = {"epochs": 3, "lr": [0.0001, 0.05], "meta": {"optimize_internal_loss": True}}
    results = run(plain(tmp_path, {"BPRMF": settings, "Random": None}, **KEYS))
    [search] = results["searches"]
    assert search["trials"][search["best"]]["settings"] == {"lr": 0.05}
    assert all(trial["loss"] > 0 for trial in search["trials"])
    assert "BPRMF: the best of 2 candidates by training loss." in results["notes"]
    written = (tmp_path / "out" / "performance" / "bestmodelparams_cutoff_5_relthreshold_0.json").read_text()
    configuration = json.loads(written)[1]["configuration"]
    assert configuration["lr"] == 0.05
    assert 1 <= configuration["best_iteration"] <= 3
    assert configuration["name"].startswith("BPRMF_seed=42_e=3_bs=64_")


class Fuse(Progress):
    """Stops the work when a candidate is done."""

    def say(self, message: str) -> None:
        pass

    detail = say

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(units: int) -> None:
            if description.startswith("search"):
                raise KeyboardInterrupt

        yield advance


def test_a_killed_search_goes_on_with_the_next_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20, 100]}}, **KEYS)
    fitted: list[int] = []
    fit = ItemKNN.fit

    def counted(self: ItemKNN, *given: Any, **named: Any) -> None:
        fitted.append(self.config.neighbors)
        fit(self, *given, **named)

    monkeypatch.setattr(ItemKNN, "fit", counted)
    for _ in range(2):
        recipe = load(path)
        workspace = Workspace(Store(tmp_path / "out" / "store"), resolve_device("cpu"), 0)
        with pytest.raises(KeyboardInterrupt):
            run_plan(make_plan(recipe, "cpu"), workspace, Fuse())
    assert fitted == [2]
    results = run(path)
    best = results["searches"][0]["trials"][results["searches"][0]["best"]]["settings"]["neighbors"]
    assert fitted == [2, 20, 100, best]
    whole = run(plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20, 100]}}, **KEYS), tmp_path / "anew")
    assert whole["searches"] == results["searches"]
    assert whole["rows"] == results["rows"]


def test_no_candidate_with_a_result_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path, {"ItemKNN": {"neighbors": [2, 20]}}, **KEYS)
    monkeypatch.setattr("elliot_advrec.experiment.searching._loss", lambda *given: float("nan"))
    with pytest.raises(UserError, match="none of 2 candidates has a validation result that is a number"):
        run(path)


def test_what_was_found_is_attacked(tmp_path: Path) -> None:
    recipe = small()
    recipe["experiment"]["models"] = {"external.ContentKNN": {"neighbors": [1, 5]}}
    recipe["experiment"]["splitting"] = HELD
    results = embedded.run(load(save(recipe, tmp_path / "recipe.yml")), tmp_path / "out")
    [search] = results["searches"]
    best = search["trials"][search["best"]]["settings"]
    recipe["experiment"]["models"] = {"external.ContentKNN": best}
    alone = embedded.run(
        load(save(recipe, tmp_path / "alone.yml")), tmp_path / "alone", store=tmp_path / "out" / "store"
    )
    assert alone["rows"] == results["rows"]
    assert alone["searches"] == []
