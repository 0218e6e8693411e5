"""Recipes without pictures: whatever decides the rows, both hosts split alike and get the same numbers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from both_hosts import BASE, LEAVE, RATIO, both, rows, same
from tiny_recipes import save, small

from elliot_advrec.errors import UserError
from elliot_advrec.hosts.inside.ours import listing
from elliot_advrec.hosts.translated import models
from elliot_advrec.recipe import load

TEMPORAL = {"strategy": "temporal_hold_out", "leave_n_out": 2}
TIME = {"strategy": "fixed_timestamp", "timestamp": 700}


@pytest.fixture(scope="module", name="rows")
def the_rows() -> pd.DataFrame:
    return rows()


@pytest.mark.parametrize(
    "keys",
    [
        {"splitting": {**RATIO, "save_on_disk": True, "save_folder": "split"}},
        {"random_seed": 7, "splitting": {"test_splitting": LEAVE, "validation_splitting": LEAVE}},
        {"splitting": {"test_splitting": TIME}},
        {"prefiltering": {"strategy": "iterative_k_core", "core": 7}},
        {
            "prefiltering": [
                {"strategy": "global_threshold", "threshold": 2},
                {"strategy": "user_k_core", "core": 4},
            ]
        },
    ],
    ids=["ratio", "validation", "timestamp", "k-core", "two filters"],
)
def test_elliot_splits_as_we_do(home: Any, rows: pd.DataFrame, tmp_path: Path, keys: dict[str, Any]) -> None:
    theirs, ours, given = both(home, tmp_path, rows, **keys)
    same(theirs, ours)
    assert given["data_config"]["strategy"] == "dataset"
    assert set(keys) <= set(given)


def test_a_temporal_split_comes_ready_made(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    theirs, ours, given = both(home, tmp_path, rows, splitting={"test_splitting": TEMPORAL})
    same(theirs, ours)
    assert given["data_config"]["strategy"] == "fixed"
    assert "splitting" not in given


def test_a_split_that_is_given_is_taken(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    held = rows.groupby("user").cumcount() < 2
    rows[~held].to_csv(tmp_path / "train.tsv", sep="\t", index=False, header=False)
    rows[held & (rows.index % 2 == 0)].to_csv(tmp_path / "val.tsv", sep="\t", index=False, header=False)
    rows[held & (rows.index % 2 == 1)].to_csv(tmp_path / "test.tsv", sep="\t", index=False, header=False)
    paths = {"train_path": "train.tsv", "validation_path": "val.tsv", "test_path": "test.tsv"}
    theirs, ours, given = both(
        home, tmp_path, rows, data_config={"strategy": "fixed", **paths}, splitting=None
    )
    same(theirs, ours)
    assert given["data_config"]["strategy"] == "fixed"
    assert set(given["data_config"]) == {"strategy", "train_path", "validation_path", "test_path"}


def test_ids_that_elliot_would_misread(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    named = rows.assign(user=rows["user"].map("{:03d}".format), item=rows["item"].map("1e{}".format))
    theirs, ours, given = both(home, tmp_path, named)
    same(theirs, ours)
    table = pd.read_csv(given["data_config"]["dataset_path"], sep="\t", header=None)
    assert table[0].max() == 49
    assert table[1].max() == 39


def test_a_search_and_its_trained_models(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    models = {"external.ItemKNN": {"neighbors": [3, 9], "meta": {"hyper_opt_alg": "grid"}}}
    splitting = {"test_splitting": LEAVE, "validation_splitting": LEAVE}
    theirs, ours, _ = both(home, tmp_path, rows, models=models, splitting=splitting)
    same(theirs, ours, rows=3 * 2)
    assert len(theirs["searches"][0]["trials"]) == 2


def test_settings_of_elliots_own_models_are_those_of_the_recipe(rows: pd.DataFrame, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    table = rows.assign(rating=1.0)[["user", "item", "rating"]]
    table.to_csv(lists / "given.tsv", sep="\t", index=False, header=False)
    searched = {
        "external.MostPop": {},
        "ItemKNN": {"neighbors": [3, 9], "similarity": "cosine", "meta": {"hyper_max_evals": 2}},
        "BPRMF": {"epochs": 2},
        "RecommendationFolder": {"folder": "lists"},
        "ProxyRecommender": {"path": "lists/given.tsv", "name": "other"},
    }
    rows.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    recipe = load(save({"experiment": {**copy.deepcopy(BASE), "models": searched}}, tmp_path / "own.yml"))
    assert models(recipe, ["MostPop_defense=none_seed=1"]) == {
        "external.MostPop_defense=none_seed=1": {"meta": {"save_recs": False}},
        "ItemKNN": {"neighbors": [3, 9], "similarity": "cosine", "meta": {"hyper_max_evals": 2}},
        "BPRMF": {"epochs": 2, "meta": {}},
        "RecommendationFolder": {"folder": str(lists), "meta": {}},
        "ProxyRecommender": {"path": str(lists / "given.tsv"), "name": "other", "meta": {}},
    }


def test_lists_are_complete_where_a_metric_asks_for_that(rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    made = copy.deepcopy(BASE)
    asked = load(save({"experiment": made}, tmp_path / "few.yml"))
    assert listing(asked).experiment.top_k == 10
    assert all(model.meta.save_recs for model in listing(asked).models)
    made["evaluation"]["simple_metrics"] = ["nDCG", "AUC"]
    whole = load(save({"experiment": made}, tmp_path / "all.yml"))
    assert listing(whole).experiment.top_k == rows["item"].nunique()
    pictures = small()
    pictures["experiment"]["evaluation"]["simple_metrics"] = ["AUC"]
    assert listing(load(save(pictures, tmp_path / "pictures.yml"))).experiment.top_k == 40


def test_every_metric_and_complete_rankings(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    if not home.real:
        pytest.skip("needs the real Elliot: the stand-in does not compute these metrics")
    metrics = [
        *("nDCG", "nDCGRendle2020", "HR", "Precision", "Recall", "F1", "MAP", "MAR", "MRR", "ItemCoverage"),
        *("UserCoverage", "NumRetrieved", "Gini", "SEntropy", "EPC", "EFD", "ARP", "AUC", "GAUC", "LAUC"),
    ]
    evaluation = {
        **BASE["evaluation"],
        "simple_metrics": metrics,
        "paired_ttest": True,
        "wilcoxon_test": True,
    }
    theirs, ours, _ = both(home, tmp_path, rows, evaluation=evaluation)
    same(theirs, ours, rows=3 * len(metrics) * 2)
    written = {p.name.split("_cutoff")[0] for p in (tmp_path / "elliot" / "elliot" / "performance").iterdir()}
    assert {"rec", "stat_paired_ttest", "stat_wilcoxon_test", "bestmodelparams"} <= written


def test_sampled_candidates(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    sampling = {"strategy": "random", "num_items": 8}
    theirs, ours, given = both(home, tmp_path, rows, negative_sampling=sampling)
    same(theirs, ours)
    assert given["negative_sampling"] == sampling
    folder = tmp_path / "elliot" / "elliot" / "data" / "plain"
    assert folder.is_dir()
    # Elliot draws for its own models; the stand-in has none that would.
    assert (folder / "negative.tsv").exists() is home.real


def test_negatives_of_files(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    lines = [f"('{u}',)\t" + "\t".join(str((u + 3 * i) % 40) for i in range(12)) for u in range(50)]
    (tmp_path / "negatives.tsv").write_text("\n".join(lines), "utf-8")
    sampling = {"strategy": "fixed", "files": ["negatives.tsv"]}
    theirs, ours, given = both(home, tmp_path, rows, negative_sampling=sampling)
    same(theirs, ours)
    assert given["negative_sampling"]["files"] == [str(tmp_path / "negatives.tsv")]


def test_negatives_of_files_need_ids_that_elliot_reads(home: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    named = rows.assign(item=rows["item"].map("1e{}".format))
    lines = [f"('{u}',)\t" + "\t".join(f"1e{i}" for i in range(40)) for u in range(50)]
    (tmp_path / "negatives.tsv").write_text("\n".join(lines), "utf-8")
    keys = {"negative_sampling": {"strategy": "fixed", "files": ["negatives.tsv"]}}
    with pytest.raises(UserError, match=r"negative_sampling\.files: Elliot would misread the ids"):
        both(home, tmp_path, named, **keys)
