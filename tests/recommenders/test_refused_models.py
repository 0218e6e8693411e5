"""Models that cannot be run as a recipe asks: one sentence, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import Called
from tiny_recipes import save, small

Elliot = Callable[..., Called]
ITEMS = 25
PLAIN: dict[str, Any] = {
    "dataset": "rows",
    "data_config": {"strategy": "dataset", "dataset_path": "rows.tsv"},
    "splitting": {"test_splitting": {"strategy": "random_subsampling", "test_ratio": 0.2}},
    "evaluation": {"cutoffs": [5], "simple_metrics": ["nDCG"]},
    "top_k": 10,
    "gpu": -1,
}
MAD: dict[str, Any] = {"epochs": 3, "batch_size": 32, "lr": 1e30}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 users, 25 items, all of them with training rows; features of 8 numbers an item."""
    random = np.random.default_rng(2)
    user, item = np.nonzero(random.random((40, ITEMS)) < 0.4)
    table = pd.DataFrame({"user": user, "item": item, "rating": 1, "time": random.permutation(len(user))})
    table.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    (tmp_path / "features").mkdir()
    for number in range(ITEMS):
        np.save(tmp_path / "features" / f"{number}.npy", random.normal(size=8).astype(np.float32))
    return tmp_path


@pytest.fixture
def sentence(elliot: Elliot, folder: Path) -> Callable[..., str]:
    """What ``elliot run`` says to a recipe that it must refuse."""

    def refused(models: dict[str, Any], *, features: bool = False, **keys: Any) -> str:
        recipe = {**PLAIN, **keys, "models": models}
        if features:
            side = [{"dataloader": "VisualAttribute", "visual_features": "features"}]
            recipe["data_config"] = {**recipe["data_config"], "side_information": side}
        called = elliot(
            "run", save({"experiment": recipe}, folder / "recipe.yml"), "--output", folder / "out"
        )
        assert called.code == 2, called
        assert "Traceback" not in called.err + called.out
        errors = [line for line in called.err.splitlines() if line.startswith("error: ")]
        assert errors == called.err.splitlines()[-1:]
        assert not (folder / "out" / "results.json").exists()
        return errors[0]

    return refused


@pytest.mark.parametrize("given", ["nDGC", ["HR", "nDGC"]])
def test_a_metric_that_is_not_known(sentence: Callable[..., str], given: Any) -> None:
    evaluation = {"cutoffs": [5], "simple_metrics": given}
    said = sentence({"external.MostPop": {}}, evaluation=evaluation)
    assert "metric 'nDGC' is not known to the embedded host; did you mean 'nDCG'?" in said
    assert "recipe.yml:" in said


def test_a_metric_that_only_elliot_computes(sentence: Callable[..., str]) -> None:
    said = sentence({"external.MostPop": {}}, evaluation={"cutoffs": [5], "simple_metrics": ["RMSE"]})
    assert "metric 'RMSE' is Elliot's own and is not computed here; take it out, or run the recipe" in said


@pytest.mark.parametrize("model", ["MostPop", "BPRMF"])
def test_lists_longer_than_the_catalog(sentence: Callable[..., str], model: str) -> None:
    said = sentence({f"external.{model}": {}}, top_k=ITEMS + 1)
    assert "recipe.yml: experiment.top_k: top_k 26 is larger than the number of items with training rows" in (
        said
    )
    assert said.endswith(", 25; write at most 25")


def test_lists_as_long_as_the_catalog_are_taken(elliot: Elliot, folder: Path) -> None:
    recipe = {"experiment": {**PLAIN, "top_k": ITEMS, "models": {"external.MostPop": {}}}}
    called = elliot("run", save(recipe, folder / "recipe.yml"), "--output", folder / "out", "--quiet")
    assert called.code == 0, called


@pytest.mark.parametrize("name", ["VBPR", "AMR", "ACF", "VNPR", "ContentKNN"])
def test_a_model_that_sees_where_nothing_is_to_be_seen(sentence: Callable[..., str], name: str) -> None:
    said = sentence({f"external.{name}": {}})
    assert f"models.external.{name}: {name} learns from pictures, and the recipe names none" in said
    assert said.endswith("add adversarial.catalog and adversarial.extractor, or data_config.side_information")


@pytest.mark.parametrize(("name", "what"), [("DeepStyle", "categories"), ("DVBPR", "pictures")])
def test_features_are_not_enough_for_every_model(sentence: Callable[..., str], name: str, what: str) -> None:
    said = sentence({f"external.{name}": {}}, features=True)
    assert f"{name} learns from {what}, and the recipe names none" in said
    assert said.endswith("add adversarial.catalog and adversarial.extractor")


def test_deepstyle_in_a_catalog_without_categories(elliot: Elliot, tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "images"
    pictures.mkdir()
    random = np.random.default_rng(1)
    for number in range(30):
        drawn = random.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(drawn).save(pictures / f"{number}.png")
    rows = [
        f"{number}\timages/{number}.png\t\t{'striped' if number % 2 else 'dotted'}" for number in range(30)
    ]
    manifest = "\n".join(["item\tpath\tcategory\tattributes", *rows, ""])
    (tmp_path / "items.tsv").write_text(manifest, "utf-8")
    catalog = {"source": "folder", "images": ".", "manifest": "items.tsv", "size": 32}
    recipe = small(catalog=catalog, threats=None, attacks=None)
    recipe["experiment"]["models"] = {"external.DeepStyle": {"epochs": 1}}
    user, item = np.nonzero(random.random((20, 30)) < 0.3)
    table = pd.DataFrame({"user": user, "item": item, "rating": 1, "time": 0})
    table.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    recipe["experiment"]["data_config"] = {"strategy": "dataset", "dataset_path": "rows.tsv"}
    called = elliot("run", save(recipe, tmp_path / "recipe.yml"), "--output", tmp_path / "out")
    assert called.code == 2, called
    last = called.err.splitlines()[-1]
    assert "models.external.DeepStyle" in last
    assert "DeepStyle needs the items' categories, and the catalog has none" in last


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (np.zeros((4, 8), np.float32), "must hold one row of numbers"),
        (np.zeros(9, np.float32), "9"),
        (np.full(8, np.nan, np.float32), "NaN"),
    ],
    ids=["map", "width", "nan"],
)
def test_features_that_do_not_fit(
    sentence: Callable[..., str], folder: Path, spoilt: np.ndarray, words: str
) -> None:
    np.save(folder / "features" / "7.npy", spoilt)
    said = sentence({"external.VBPR": {"epochs": 1}}, features=True)
    assert "7.npy" in said or "'7'" in said
    assert words in said


@pytest.mark.parametrize("name", ["BPRMF", "VBPR", "AMR", "ACF", "VNPR"])
def test_a_training_that_diverges_names_the_epoch_and_the_setting(
    sentence: Callable[..., str], name: str
) -> None:
    said = sentence({f"external.{name}": MAD}, features=name != "BPRMF")
    assert f"models.external.{name}: " in said
    assert f"the training of {name} is no longer finite in epoch " in said
    assert said.endswith("lower `lr` (now 1e+30)")


def test_a_candidate_that_diverges_cannot_win(elliot: Elliot, folder: Path) -> None:
    import json

    models = {"external.BPRMF": {**MAD, "lr": [1e30, 0.01]}}
    path = save({"experiment": {**PLAIN, "models": models}}, folder / "recipe.yml")
    called = elliot("run", path, "--output", folder / "out")
    assert called.code == 0, called
    results = json.loads((folder / "out" / "results.json").read_text("utf-8"))
    [search] = results["searches"]
    assert [trial["loss"] is None for trial in search["trials"]] == [True, False]
    assert search["best"] == 1
    assert "BPRMF: 1 of 2 candidates diverged (lr: 1e+30)." in results["notes"]
    assert not list((folder / "out" / "store").rglob("training"))
    again = {**PLAIN, "models": {"external.BPRMF": {**MAD, "lr": [1e30, 1e31]}}}
    called = elliot("run", save({"experiment": again}, folder / "recipe.yml"), "--output", folder / "out")
    assert called.code == 2
    assert "none of 2 candidates has a validation result that is a number" in called.err
