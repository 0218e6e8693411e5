"""Recipes without pictures in both hosts, for the tests that compare them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny_recipes import save

from elliot_advrec.hosts import elliot, embedded
from elliot_advrec.recipe import load

RATIO = {"test_splitting": {"strategy": "random_subsampling", "test_ratio": 0.25}}
LEAVE = {"strategy": "random_subsampling", "leave_n_out": 1}
BASE: dict[str, Any] = {
    "dataset": "plain",
    "data_config": {"strategy": "dataset", "dataset_path": "rows.tsv"},
    "splitting": RATIO,
    "top_k": 10,
    "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR", "ARP"], "relevance_threshold": 2.3},
    "models": {
        "external.MostPop": {},
        "external.ItemKNN": {"neighbors": 7},
        "external.BPRMF": {"epochs": 2, "factors": 4, "batch_size": 64},
    },
    "adversarial": {"device": "cpu", "workers": 0},
}


def rows() -> pd.DataFrame:
    """50 users, 40 items, ratings that float32 does not hold exactly, times."""
    random = np.random.default_rng(5)
    pairs = [(u, i) for u in range(50) for i in random.choice(40, random.integers(5, 15), replace=False)]
    users, items = np.array(pairs).T
    rating = random.choice([1.1, 2.3, 3.7, 4.9], len(pairs))
    return pd.DataFrame(
        {"user": users, "item": items, "rating": rating, "time": random.permutation(1000)[: len(pairs)]}
    )


def both(
    home: Any, folder: Path, table: pd.DataFrame, **keys: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The results of both hosts, and the recipe that Elliot was given; of folds the first's."""
    table.to_csv(folder / "rows.tsv", sep="\t", index=False, header=False)
    experiment = {key: value for key, value in {**copy.deepcopy(BASE), **keys}.items() if value is not None}
    recipe = load(save({"experiment": experiment}, folder / "recipe.yml"))
    theirs = elliot.run(recipe, folder / "elliot", store=folder / "store")
    ours = embedded.run(recipe, folder / "embedded", store=folder / "store")
    path = sorted((folder / "elliot" / "elliot").rglob("config/recipe.yml"))[0]
    return theirs, ours, yaml.safe_load(path.read_text("utf-8"))["experiment"]


def same(theirs: dict[str, Any], ours: dict[str, Any], rows: int = 3 * 3 * 2) -> None:
    assert len(theirs["rows"]) == len(ours["rows"]) == rows
    for one, other in zip(theirs["rows"], ours["rows"], strict=True):
        assert {**one, "value": None} == {**other, "value": None}
        assert one["value"] == pytest.approx(other["value"], abs=1e-9)
    assert theirs["host"]["largest_difference"] <= 1e-9
