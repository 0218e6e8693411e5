"""Recipes written for Elliot, run by Elliot, with recommenders of ours on the features that Elliot names."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from both_hosts import rows
from tiny_recipes import save

from elliot_advrec.errors import UserError
from elliot_advrec.hosts import elliot, embedded
from elliot_advrec.hosts.inside.running import read
from elliot_advrec.hosts.quiet import room
from elliot_advrec.recipe import load

LEAVE = {"strategy": "random_subsampling", "leave_n_out": 1}
VBPR = {"epochs": 4, "factors": 6, "factors_d": 3, "batch_size": 64, "lr": 0.01, "seed": 3}


def recipe(folder: Path, models: dict[str, Any], *, seeing: bool = True, **keys: Any) -> dict[str, Any]:
    """An experiment of Elliot's, and its files: what a user of Elliot writes, and the path of our door."""
    rows().to_csv(folder / "rows.tsv", sep="\t", index=False, header=False)
    data: dict[str, Any] = {"strategy": "dataset", "dataset_path": str(folder / "rows.tsv")}
    if seeing:
        (folder / "features").mkdir()
        for item, row in enumerate(np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)):
            np.save(folder / "features" / f"{item}.npy", row)
        side = {"dataloader": "VisualAttribute", "visual_features": str(folder / "features")}
        data["side_information"] = [side]
    outputs = {"result": "recs", "weight": "weights", "performance": "performance"}
    return {
        "dataset": "own",
        "data_config": data,
        "splitting": {"test_splitting": LEAVE},
        "top_k": 10,
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR"]},
        "external_models_path": str(Path(elliot.__file__).parent / "external" / "__init__.py"),
        "models": models,
        **{f"path_output_rec_{key}": str(folder / name) for key, name in outputs.items()},
        **keys,
    }


def alone(home: Any, folder: Path, experiment: dict[str, Any]) -> pd.DataFrame:
    """Elliot's table at the cut-off 5."""
    for name in ("recs", "weights", "performance", "log"):
        (folder / name).mkdir(exist_ok=True)
    evaluation = {"relevance_threshold": 0, **experiment["evaluation"]}
    written = {**experiment, "evaluation": evaluation, "path_log_folder": str(folder / "log")}
    path = folder / "elliots.yml"
    path.write_text(yaml.safe_dump({"experiment": written}, sort_keys=False), "utf-8")
    with room(home.folder, folder / "said.log"):
        importlib.import_module("elliot.run").run_experiment(str(path))
    (table,) = (folder / "performance").glob("rec_cutoff_5_*")
    return pd.read_csv(table, sep="\t", index_col="model")


@pytest.mark.parametrize("validated", [False, True])
def test_the_features_are_those_of_elliots_side_information(
    home: Any, tmp_path: Path, validated: bool
) -> None:
    """The same recipe in our own host gives the same model: same rows, same order of items, same seed."""
    splitting = {"test_splitting": LEAVE, **({"validation_splitting": LEAVE} if validated else {})}
    experiment = recipe(tmp_path, {"external.VBPR": VBPR, "external.MostPop": {}}, splitting=splitting)
    found = alone(home, tmp_path, experiment)
    ours = embedded.run(load(save({"experiment": experiment}, tmp_path / "ours.yml")), tmp_path / "out")
    values = {(r["recommender"], r["metric"]): r["value"] for r in ours["rows"] if r["k"] == 5}
    name = next(name for name in found.index if name.startswith("VBPR_"))
    for metric in ("nDCG", "HR"):
        assert found.loc[name, metric] == pytest.approx(values["VBPR", metric], abs=1e-9)
        assert found.loc["MostPop", metric] == pytest.approx(values["MostPop", metric], abs=1e-9)
    assert found.loc[name, "HR"] > 0


def test_items_that_are_only_held_out_count_in_both_hosts(home: Any, tmp_path: Path) -> None:
    """Their places in the tables of factors decide all first values that are drawn after them."""
    experiment = recipe(tmp_path, {"external.VBPR": VBPR})
    table = rows().drop(columns="time")
    held = table.groupby("user").cumcount() < 2
    last = table["item"] == 39
    table[~held & ~last].to_csv(tmp_path / "train.tsv", sep="\t", index=False, header=False)
    table[held | last].to_csv(tmp_path / "test.tsv", sep="\t", index=False, header=False)
    data = experiment["data_config"]
    sides = data["side_information"]
    paths = {f"{part}_path": str(tmp_path / f"{part}.tsv") for part in ("train", "test")}
    experiment["data_config"] = {"strategy": "fixed", **paths, "side_information": sides}
    del experiment["splitting"]
    found = alone(home, tmp_path, experiment)
    ours = embedded.run(load(save({"experiment": experiment}, tmp_path / "ours.yml")), tmp_path / "out")
    values = {row["metric"]: row["value"] for row in ours["rows"] if row["k"] == 5}
    for metric in ("nDCG", "HR"):
        assert found[metric].iloc[0] == pytest.approx(values[metric], abs=1e-9)


def test_elliots_folds_and_its_search_fit_a_recommender_each(home: Any, tmp_path: Path) -> None:
    if not home.real:
        pytest.skip("needs the real Elliot: the stand-in searches nothing")
    models = {"external.ItemKNN": {"neighbors": [3, 9], "meta": {"hyper_opt_alg": "grid"}}}
    splitting = {"test_splitting": {**LEAVE, "folds": 2}, "validation_splitting": LEAVE}
    experiment = recipe(tmp_path, models, seeing=False, splitting=splitting)
    found = alone(home, tmp_path, experiment)
    (name,) = found.index
    assert name in ("ItemKNN_neighbors=3", "ItemKNN_neighbors=9")
    (trials,) = (tmp_path / "performance").glob("rec_ItemKNN_cutoff_5_*")
    tried = pd.read_csv(trials, sep="\t")
    assert sorted(tried["model"]) == ["ItemKNN_neighbors=3", "ItemKNN_neighbors=9"]
    assert tried["nDCG"].nunique() == 2


def test_models_that_see_more_than_features_say_what_they_need(home: Any, tmp_path: Path) -> None:
    for model, what in (("DeepStyle", "categor"), ("DVBPR", "pictures")):
        folder = tmp_path / model
        folder.mkdir()
        with pytest.raises(UserError, match=rf"external\.{model}: .*{what}"):
            alone(home, folder, recipe(folder, {f"external.{model}": {"epochs": 1}}))


def test_texts_with_a_variable_are_read_as_they_stand(home: Any, tmp_path: Path) -> None:
    """Elliot's logging makes PyYAML's own loader read them as the name of its log."""
    alone(home, tmp_path, recipe(tmp_path, {"external.MostPop": {}}, seeing=False))
    text = "experiment:\n  adversarial:\n    recipe: ours.yml\n    store: ${SHOP}/store\n"
    (tmp_path / "pointer.yml").write_text(text, "utf-8")
    assert read(tmp_path / "pointer.yml").adversarial == {"recipe": "ours.yml", "store": "${SHOP}/store"}
