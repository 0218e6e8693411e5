"""Every recommender in one recipe: fitted, judged, attacked where it can be, kept in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_recipes import save, small

from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

TRAINED = {"epochs": 2, "batch_size": 32}
MODELS: dict[str, dict[str, Any]] = {
    "MostPop": {},
    "Random": {},
    "ItemKNN": {"neighbors": 5},
    "BPRMF": {**TRAINED, "factors": 4},
    "external.ContentKNN": {"neighbors": 5},
    "external.VBPR": {**TRAINED, "factors": 4, "factors_d": 4},
    "external.AMR": {**TRAINED, "factors": 4, "factors_d": 4},
    "external.DeepStyle": {**TRAINED, "factors": 4},
    "external.ACF": {**TRAINED, "factors": 4},
    "external.VNPR": {**TRAINED, "mf_factors": 4},
    "external.DVBPR": {**TRAINED, "factors": 4, "backbone": "test_efficientnet"},
}
BLIND = {"MostPop", "Random", "ItemKNN", "BPRMF"}
OWN_EYES = {"DVBPR"}
"""Threats through the recipe's extractor do not reach what trains an extractor of its own."""


def run(folder: Path) -> dict[str, Any]:
    recipe = small()
    held = {"strategy": "random_subsampling", "leave_n_out": 1}
    recipe["experiment"] |= {
        "models": MODELS,
        "splitting": {"test_splitting": held, "validation_splitting": held},
        "evaluation": {"cutoffs": [5], "simple_metrics": ["nDCG"], "paired_ttest": True},
    }
    return embedded.run(load(save(recipe, folder / "recipe.yml")), folder / "out")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    return run(folder)


def test_every_recommender_is_judged_and_those_that_see_are_attacked(results: dict[str, Any]) -> None:
    names = {key.removeprefix("external.") for key in MODELS}
    ndcg = [row for row in results["rows"] if row["metric"] == "nDCG"]
    assert {row["recommender"] for row in ndcg if row["attack"] is None} == names
    assert {row["recommender"] for row in ndcg if row["attack"] == "fgsm"} == names - BLIND - OWN_EYES
    assert {row["n"] for row in ndcg} == {12}
    success = {row["recommender"] for row in results["rows"] if row["metric"] == "success_rate"}
    assert success == names - BLIND - OWN_EYES


def test_no_state_of_a_training_is_kept(folder: Path, results: dict[str, Any]) -> None:
    store = folder / "out" / "store" / "recommender"
    assert len(list(store.glob("*/stage.json"))) == len(MODELS)
    assert not list(store.rglob("*training*"))


def test_a_second_run_takes_all_of_them_from_the_store(folder: Path, results: dict[str, Any]) -> None:
    again = run(folder)
    assert all(stage["cached"] for stage in again["stages"])
    assert again["rows"] == results["rows"]


def test_paired_tests_compare_cells(folder: Path, results: dict[str, Any]) -> None:
    path = folder / "out" / "performance" / "stat_paired_ttest_cutoff_5_relthreshold_0.tsv"
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    cells = len(MODELS) + len(MODELS) - len(BLIND) - len(OWN_EYES)
    assert len(lines) == cells * (cells - 1)
    assert ["VBPR_defense=none_seed=1", "MostPop_defense=none_seed=1", "nDCG"] in [line[:3] for line in lines]
