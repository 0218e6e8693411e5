"""The same recipe in both hosts: same split, same numbers; one model of Elliot's for every cell."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny_recipes import save, small

from elliot_advrec import report
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Store
from elliot_advrec.hosts import elliot, embedded
from elliot_advrec.hosts.inside import celled
from elliot_advrec.hosts.quiet import room
from elliot_advrec.recipe import load

Results = dict[str, Any]
METRICS = ["nDCG", "HR", "ARP"]
AT = {"preset": "at", "steps": 2, "training": {"epochs": 1}}
CELL = "ContentKNN_defense={0}_threat=item_to_item_attack=fgsm_steps=1_norm=linf_eps=0.05_seed=1"
CELLS = {
    "ContentKNN_defense=none_seed=1",
    "MostPop_defense=none_seed=1",
    CELL.format("none"),
    "ContentKNN_defense=at_seed=1",
    "MostPop_defense=at_seed=1",
    CELL.format("at"),
}


def recipe(**models: Any) -> dict[str, Any]:
    made = small(defenses=["none", AT])
    made["experiment"]["evaluation"]["simple_metrics"] = METRICS
    made["experiment"]["models"]["external.ContentKNN"]["meta"] = {"save_recs": True}
    made["experiment"]["models"] |= models
    return made


def both() -> dict[str, Any]:
    return recipe(**{"external.MostPop": {}})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("both {hosts}")  # Elliot takes braces in a path for the data's name


@pytest.fixture(scope="module")
def results(place: Path, home: Any) -> Results:
    return elliot.run(load(save(both(), place / "recipe.yml")), place / "out")


def tables(folder: Path) -> dict[int, pd.DataFrame]:
    """Elliot's metric tables by cut-off; the newest of each."""
    paths = sorted(folder.glob("rec_cutoff_*"), key=lambda path: path.stat().st_mtime_ns)
    return {int(p.name.split("_")[2]): pd.read_csv(p, sep="\t", index_col="model") for p in paths}


def test_every_row_is_that_of_the_embedded_host(results: Results, place: Path, home: Any) -> None:
    ours = embedded.run(load(place / "recipe.yml"), place / "embedded", store=place / "out" / "store")
    without = [{k: v for k, v in row.items() if k != "value"} for row in results["rows"]]
    assert without == [{k: v for k, v in row.items() if k != "value"} for row in ours["rows"]]
    values = np.array([[a["value"], b["value"]] for a, b in zip(results["rows"], ours["rows"], strict=True)])
    assert np.abs(values[:, 0] - values[:, 1]).max() <= 1e-9
    assert results["recipe"] == ours["recipe"]
    assert results["host"] == {
        "name": "elliot",
        "folder": str(home.folder),
        "largest_difference": results["host"]["largest_difference"],
    }
    assert results["host"]["largest_difference"] <= 1e-9
    assert results["versions"]["elliot"] == "0.3.1"


def test_elliots_own_files_hold_undefended_and_defended_cells(results: Results, place: Path) -> None:
    found = tables(place / "out" / "elliot" / "performance")
    assert set(found) == {5, 10}
    ranking = [row for row in results["rows"] if row["metric"] in METRICS]
    assert len(ranking) == len(CELLS) * len(METRICS) * 2
    for table in found.values():
        assert set(table.index) == CELLS
    for row in ranking:
        attacked = row["attack"] is not None
        clean = f"{row['recommender']}_defense={row['defense']}_seed=1"
        name = CELL.format(row["defense"]) if attacked else clean
        assert found[row["k"]].loc[name, row["metric"]] == pytest.approx(row["value"], abs=1e-12)


def test_the_report_and_the_lists_are_there_too(results: Results, place: Path) -> None:
    assert (place / "out" / "report.html").stat().st_size > 10_000
    assert report.load(place / "out")[0]["rows"] == results["rows"]
    ours = {path.name for path in (place / "out" / "recs").iterdir()}
    assert ours == {
        "ContentKNN_seed=1.tsv",
        "ContentKNN_at_seed=1.tsv",
        "ContentKNN_fgsm-1_eps=0.05_seed=1.tsv",
        "ContentKNN_at_fgsm-1_eps=0.05_seed=1.tsv",
    }
    theirs = {path.stem for path in (place / "out" / "elliot" / "recs").iterdir()}
    assert theirs == {cell for cell in CELLS if cell.startswith("ContentKNN")}
    mine = pd.read_csv(place / "out" / "recs" / "ContentKNN_at_seed=1.tsv", sep="\t", header=None)
    other = place / "out" / "elliot" / "recs" / "ContentKNN_defense=at_seed=1.tsv"
    pd.testing.assert_frame_equal(mine, pd.read_csv(other, sep="\t", header=None))


def test_elliot_gets_the_rows_unsplit_and_splits_them_alike(results: Results, place: Path) -> None:
    written = yaml.safe_load((place / "out" / "elliot" / "config" / "recipe.yml").read_text("utf-8"))[
        "experiment"
    ]
    assert written["data_config"]["strategy"] == "dataset"
    assert written["splitting"]["test_splitting"]["leave_n_out"] == 1
    rows = pd.read_csv(place / "out" / "elliot" / "data" / "dataset.tsv", sep="\t", header=None)
    kept = interactions(place / "out" / "store")
    assert len(rows) == kept.train.nnz + kept.test.nnz
    # That Elliot's parts are these is checked for every cell: see below for one that are not.


def interactions(store: Path) -> Interactions:
    folder = next(path for path in (Store(store).root / "interactions").iterdir() if path.is_dir())
    return Interactions.load(folder)


def alone(home: Any, path: Path) -> dict[int, pd.DataFrame]:
    """What a recipe gives when Elliot runs it, without our command."""
    with room(home.folder, path.parent / "alone.log"):
        importlib.import_module("elliot.run").run_experiment(str(path))
    written = yaml.safe_load(path.read_text("utf-8"))["experiment"]["path_output_rec_performance"]
    return tables(Path(written.format()))


def test_the_written_recipe_runs_in_elliot_alone(results: Results, place: Path, home: Any) -> None:
    before = tables(place / "out" / "elliot" / "performance")
    celled._engine.cache_clear()  # as in a process of its own
    again = alone(home, place / "out" / "elliot" / "config" / "recipe.yml")
    for k, table in before.items():
        pd.testing.assert_frame_equal(again[k], table)
    said = (place / "out" / "elliot" / "config" / "alone.log").read_text("utf-8")
    assert "elliot_advrec: every stage is in the store already" in said


def elliots(folder: Path, rows: Path, models: dict[str, Any], **keys: Any) -> Path:
    """A recipe written for Elliot, that names our door."""
    door = Path(elliot.__file__).parent / "external" / "__init__.py"
    made: dict[str, Any] = {
        "dataset": "own",
        "data_config": {"strategy": "dataset", "dataset_path": str(rows)},
        "splitting": {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}},
        "top_k": 10,
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR"], "relevance_threshold": 0},
        "gpu": -1,
        "external_models_path": str(door),
        "models": models,
        "path_log_folder": str(folder / "log"),
        **keys,
    }
    for key, name in (("result", "recs"), ("weight", "weights"), ("performance", "performance")):
        place = Path(made.setdefault(f"path_output_rec_{key}", str(folder / name)))
        place.mkdir(parents=True, exist_ok=True)
    path = folder / "elliots.yml"
    path.write_text(yaml.safe_dump({"experiment": made}, sort_keys=False), "utf-8")
    return path


@pytest.fixture
def rows(results: Results, place: Path, tmp_path: Path) -> Path:
    """The interactions of the run as a file of their own."""
    copied = tmp_path / "rows.tsv"
    copied.write_bytes((place / "out" / "elliot" / "data" / "dataset.tsv").read_bytes())
    return copied


def test_a_recipe_of_elliots_names_cells(
    results: Results, rows: Path, place: Path, tmp_path: Path, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    store.symlink_to(place / "out" / "store")  # what the run trained is found there
    ours = both()["experiment"]
    models = {
        "external.ContentKNN": {"neighbors": 5},
        f"external.{CELL.format('at')}": {},
        "external.MostPop_defense=at_seed=1": {"meta": {"save_recs": False, "verbose": True}},
    }
    keys = {"adversarial": ours["adversarial"], "path_output_rec_weight": str(store)}
    found = alone(home, elliots(tmp_path, rows, models, **keys))
    wanted = tables(place / "out" / "elliot" / "performance")
    for k, table in found.items():
        assert list(table.index) == ["ContentKNN", CELL.format("at"), "MostPop_defense=at_seed=1"]
        expected = wanted[k].loc[["ContentKNN_defense=none_seed=1", *table.index[1:]], ["nDCG", "HR"]]
        np.testing.assert_allclose(table[["nDCG", "HR"]].to_numpy(), expected.to_numpy(), atol=1e-12)


def test_another_split_than_ours_is_refused(results: Results, place: Path, tmp_path: Path, home: Any) -> None:
    folder = place / "out" / "elliot"
    written = yaml.safe_load((folder / "config" / "recipe.yml").read_text("utf-8"))
    shorter = tmp_path / "shorter.tsv"
    lines = (folder / "data" / "dataset.tsv").read_text("utf-8").splitlines(keepends=True)
    shorter.write_text("".join(lines[1:]), "utf-8")
    written["experiment"]["data_config"]["dataset_path"] = str(shorter)
    changed = folder / "config" / "shorter.yml"
    changed.write_text(yaml.safe_dump(written), "utf-8")
    with pytest.raises(UserError, match=r"shorter.yml: Elliot's train part \(\d+ rows\) is not the one"):
        alone(home, changed)


def test_an_unknown_model_is_named(rows: Path, tmp_path: Path, home: Any) -> None:
    with pytest.raises(UserError, match="unknown recommender 'ContentNN'; did you mean 'ContentKNN'"):
        alone(home, elliots(tmp_path, rows, {"external.ContentNN": {}}))
    ours = both()["experiment"]["adversarial"]
    models = {"external.ContentKNN": {}, "external.MostPop_defense=cat_seed=1": {}}
    with pytest.raises(UserError, match=r"no cell 'MostPop_defense=cat_seed=1'; did you mean 'MostPop_def"):
        alone(home, elliots(tmp_path, rows, models, adversarial=ours))
    with pytest.raises(UserError, match=r"adversarial.stor: unknown key 'stor'; did you mean 'store'"):
        alone(home, elliots(tmp_path, rows, models, adversarial={"recipe": "ours.yml", "stor": "x"}))


def test_elliots_own_models_stand_beside_ours(results: Results, place: Path, home: Any) -> None:
    made = load(save(recipe(MostPop={"meta": {"save_recs": True}}), place / "plain.yml"))
    out = place / "plain"
    found = elliot.run(made, out, store=place / "out" / "store")
    own = [row for row in found["rows"] if row["recommender"] == "MostPop"]
    keys = [(row["defense"], row["metric"], row["k"]) for row in own]
    assert sorted(keys) == sorted((d, m, k) for d in ("none", "at") for m in METRICS for k in (5, 10))
    table = tables(out / "elliot" / "performance")
    for row in own:
        assert row["value"] == pytest.approx(table[row["k"]].loc["MostPop", row["metric"]], abs=1e-12)
    assert (out / "elliot" / "recs" / "MostPop.tsv").exists()
    # Ours over the same rows: popularity decides, so only the order of equal counts may differ.
    ours = {
        (row["metric"], row["k"]): row["value"]
        for row in results["rows"]
        if row["recommender"] == "MostPop" and row["defense"] == "none"
    }
    assert all(row["value"] == pytest.approx(ours["ARP", row["k"]]) for row in own if row["metric"] == "ARP")


def test_elliot_that_stops_is_one_sentence(
    results: Results, place: Path, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elliot_advrec.hosts.translated.evaluation", lambda given: {**given, "cutoffs": [99]})
    with pytest.raises(
        UserError, match=r"Elliot stopped: Exception: Cutoff values must be smaller .*elliot\.log"
    ):
        elliot.run(load(place / "recipe.yml"), place / "stopped", store=place / "out" / "store")
    assert not (place / "stopped" / "results.json").exists()


def test_elliot_that_writes_nothing_is_one_sentence(
    results: Results, place: Path, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("elliot.run"), "run_experiment", lambda path: None)
    with pytest.raises(UserError, match=r"performance: Elliot wrote no results; see .*elliot\.log"):
        elliot.run(load(place / "recipe.yml"), place / "nothing", store=place / "out" / "store")


def test_what_a_cell_refuses_is_said_as_it_is(
    results: Results, place: Path, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path, table: pd.DataFrame, ids: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.iloc[1:].to_csv(path, sep="\t", index=False, header=False)

    monkeypatch.setattr("elliot_advrec.hosts.rows._tsv", other)
    with pytest.raises(UserError, match=r"^\S.*: Elliot's train part \(\d+ rows\) is not the one"):
        elliot.run(load(place / "recipe.yml"), place / "other", store=place / "out" / "store")


def test_recommenders_trained_on_attacked_pictures_are_cells_too(place: Path, home: Any) -> None:
    threat = {"preset": "item_to_item", "pairs": 5, "rank_min": [1, 3], "regimes": ["fixed", "poisoned"]}
    made = load(save(small(threats=[threat]), place / "poisoned.yml"))
    found = elliot.run(made, place / "poisoned", store=place / "out" / "store")
    table = tables(place / "poisoned" / "elliot" / "performance")[10]
    poisoned = CELL.format("none").replace("item_to_item", "item_to_item%20%28poisoned%29")
    cells = ["ContentKNN_defense=none_seed=1", CELL.format("none"), poisoned.replace("%20", " ")]
    assert list(table.index) == cells
    values = {row["threat"]: row["value"] for row in found["rows"] if (row["metric"], row["k"]) == ("HR", 10)}
    assert [values[name] for name in (None, "item_to_item", "item_to_item (poisoned)")] == pytest.approx(
        table["HR"].tolist(), abs=1e-12
    )


def test_checks_of_a_strict_recipe_stop_a_run_that_is_written(
    place: Path, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(found: Any, output: Path) -> None:
        assert (output / "results.json").is_file()
        raise UserError("a check failed")

    monkeypatch.setattr(elliot, "refuse_failed", refuse)
    made = load(save(small(strict=True), place / "strict.yml"))
    with pytest.raises(UserError, match="a check failed"):
        elliot.run(made, place / "strict", store=place / "out" / "store")
