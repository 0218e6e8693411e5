"""Recipes with folds: Elliot evaluates each, and numbers are means over folds in both hosts."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from both_hosts import BASE, LEAVE, both, rows, same
from tiny_recipes import save, small

from elliot_advrec.errors import UserError
from elliot_advrec.hosts import elliot, embedded
from elliot_advrec.hosts.quiet import room
from elliot_advrec.recipe import load

THREE = {"strategy": "random_subsampling", "test_ratio": 0.2, "folds": 3}
CROSS = {"strategy": "random_cross_validation", "folds": 2}


@pytest.fixture(scope="module", name="table")
def the_table() -> pd.DataFrame:
    return rows()


def tables(folder: Path) -> dict[int, pd.DataFrame]:
    found = sorted(folder.glob("rec_cutoff_*"), key=lambda path: path.stat().st_mtime_ns)
    return {int(p.name.split("_")[2]): pd.read_csv(p, sep="\t", index_col="model") for p in found}


def test_each_fold_is_a_run_of_elliot(home: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    models = {**BASE["models"], "MostPop": {}}
    del models["external.MostPop"]
    theirs, ours, given = both(home, tmp_path, table, splitting={"test_splitting": THREE}, models=models)
    own = [row for row in theirs["rows"] if row["recommender"] == "MostPop"]
    mine = [row for row in theirs["rows"] if row["recommender"] != "MostPop"]
    same({**theirs, "rows": mine}, {"rows": [r for r in ours["rows"] if r["recommender"] != "MostPop"]}, 12)
    assert given["data_config"]["strategy"] == "fixed"
    assert "splitting" not in given
    parts = sorted(path.name for path in (tmp_path / "elliot" / "elliot").iterdir())
    assert parts == ["fold=1", "fold=2", "fold=3"]
    folds = [tables(tmp_path / "elliot" / "elliot" / part / "performance") for part in parts]
    for row in [*own, *mine]:
        name = f"{row['recommender']}_defense=none_seed=42" if row in mine else "MostPop"
        values = [fold[row["k"]].loc[name, row["metric"]] for fold in folds]
        assert row["value"] == pytest.approx(sum(values) / 3, abs=1e-12)
    assert len(own) == 6
    # The folds differ, or a mean of them would show nothing.
    assert len({fold[10].loc["MostPop", "HR"] for fold in folds}) > 1


def test_validation_folds_too_and_folders_that_the_recipe_names(
    home: Any, table: pd.DataFrame, tmp_path: Path
) -> None:
    splitting = {"test_splitting": CROSS, "validation_splitting": {**LEAVE, "folds": 2}}
    keys = {"splitting": splitting, "path_output_rec_performance": "performance"}
    theirs, ours, _ = both(home, tmp_path, table, **keys)
    same(theirs, ours)
    wanted = {f"fold={test}.{validation}" for test in (1, 2) for validation in (1, 2)}
    assert {path.name for path in (tmp_path / "elliot" / "elliot").iterdir()} == wanted
    assert wanted <= {path.name for path in (tmp_path / "performance").iterdir()}


def test_cells_with_pictures_have_folds(home: Any, tmp_path: Path) -> None:
    made = small()
    made["experiment"]["splitting"] = {"test_splitting": {**LEAVE, "folds": 2}}
    recipe = load(save(made, tmp_path / "recipe.yml"))
    theirs = elliot.run(recipe, tmp_path / "elliot", store=tmp_path / "store")
    ours = embedded.run(recipe, tmp_path / "embedded", store=tmp_path / "store")
    same(theirs, ours, rows=len(ours["rows"]))
    attacked = [row for row in theirs["rows"] if row["metric"] == "nDCG" and row["attack"] is not None]
    assert len(attacked) == 2


def test_elliot_alone_finds_the_lists_of_the_fold_it_is_at(
    home: Any, table: pd.DataFrame, tmp_path: Path
) -> None:
    """A recipe of Elliot's with folds of its own: it reports the best of them."""
    splitting = {"test_splitting": THREE}
    both(home, tmp_path, table, splitting=splitting, models={"external.MostPop": {}})
    first = tmp_path / "elliot" / "elliot" / "fold=1" / "config" / "recipe.yml"
    written = yaml.safe_load(first.read_text("utf-8"))
    whole = written["experiment"]
    whole |= {"splitting": splitting, "path_output_rec_performance": str(tmp_path / "alone")}
    whole["data_config"] = {"strategy": "dataset", "dataset_path": str(tmp_path / "rows.tsv")}
    (tmp_path / "alone").mkdir()
    path = first.with_name("whole.yml")
    path.write_text(yaml.safe_dump(written), "utf-8")
    run_alone(home, path)
    name = "MostPop_defense=none_seed=42"
    folds = [
        tables(tmp_path / "elliot" / "elliot" / f"fold={number}" / "performance") for number in (1, 2, 3)
    ]
    best = max(folds, key=lambda fold: fold[5].loc[name, "nDCG"])
    pd.testing.assert_frame_equal(tables(tmp_path / "alone")[5], best[5])
    table.iloc[5:].to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    (path.with_name("cells.yml")).write_text(
        path.with_name("cells.yml").read_text("utf-8").replace("random_seed: 42", "random_seed: 7"), "utf-8"
    )
    with pytest.raises(UserError, match=r"none of 3 folds is Elliot's; of the first, Elliot's train part"):
        run_alone(home, path)


def run_alone(home: Any, path: Path) -> None:
    with room(home.folder, path.parent / "alone.log"):
        importlib.import_module("elliot.run").run_experiment(str(path))
