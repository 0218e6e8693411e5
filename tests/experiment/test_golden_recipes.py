"""Elliot's own recipes, run here: its splits, its lists, its numbers, its files."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pandas as pd
import pytest
import yaml

from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
CASES = ("ratio", "leave1", "kcore")
DETERMINISTIC = ("MostPop", "ItemKNN")
NAMED = {"MostPop": "MostPop", "Random_seed=42": "Random"}
"""Elliot's name of a model -> its file of lists; all others are ItemKNN's."""


@cache
def ran(case: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a case's recipe, and its results."""
    folder = Path(mkdtemp(prefix=f"golden-{case}-"))
    shutil.copy(GOLDEN / "interactions.tsv", folder)
    shutil.copy(GOLDEN / case / "recipe.yml", folder)
    return folder, embedded.run(load(folder / "recipe.yml"), folder / "out")


@pytest.fixture(scope="module", autouse=True)
def _tidied() -> Any:
    yield
    for case in CASES:
        shutil.rmtree(ran(case)[0], ignore_errors=True)
    ran.cache_clear()


def lists(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", float_precision="round_trip").set_index("model")


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("case", CASES)
def test_the_split_is_elliots_row_for_row(case: str, part: str) -> None:
    ours = ran(case)[0] / "results" / "splitting" / "0" / f"{part}.tsv"
    assert ours.read_text("utf-8") == (GOLDEN / case / f"{part}.tsv").read_text("utf-8")


@pytest.mark.parametrize("model", DETERMINISTIC)
@pytest.mark.parametrize("case", CASES)
def test_lists_are_elliots_line_for_line(case: str, model: str) -> None:
    ours = lists(ran(case)[0] / "results" / "recs" / f"{model}_seed=42.tsv")
    theirs = lists(GOLDEN / case / "recs" / f"{model}.tsv")
    assert [line[:2] for line in ours] == [line[:2] for line in theirs]
    assert [float(line[2]) for line in ours] == pytest.approx([float(line[2]) for line in theirs], rel=1e-6)


@pytest.mark.parametrize("cutoff", [5, 10, 20])
@pytest.mark.parametrize("case", CASES)
def test_result_files_are_elliots(case: str, cutoff: int) -> None:
    performance = ran(case)[0] / "results" / "performance"
    [path] = (GOLDEN / case).glob(f"rec_cutoff_{cutoff}_*.tsv")
    ours, theirs = table(performance / path.name), table(path)
    assert list(ours.index) == list(theirs.index)
    assert list(ours.columns) == list(theirs.columns)
    same = [name for name in theirs.index if not name.startswith("Random")]  # theirs draws items twice
    for name in same:
        assert ours.loc[name].to_numpy() == pytest.approx(theirs.loc[name].to_numpy(), abs=1e-9)
    for test in ("paired_ttest", "wilcoxon_test"):
        [path] = (GOLDEN / case).glob(f"stat_{test}_cutoff_{cutoff}_*.tsv")
        mine, given = lists(performance / path.name), lists(path)
        assert [line[:3] for line in mine] == [line[:3] for line in given]
        pairs = [(m, g) for m, g in zip(mine, given, strict=True) if {m[0], m[1]} <= set(same)]
        assert len(pairs) > 10
        for m, g in pairs:
            assert float(m[3]) == pytest.approx(float(g[3]), abs=1e-9, nan_ok=True), g[:3]


@pytest.mark.parametrize("case", CASES)
def test_best_models_are_written_as_elliot_writes_them(case: str) -> None:
    [path] = (GOLDEN / case).glob("bestmodelparams_*.json")
    ours = ran(case)[0] / "results" / "performance" / path.name
    assert json.loads(ours.read_text("utf-8")) == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_results_say_what_was_run(case: str) -> None:
    folder, results = ran(case)
    assert json.loads((folder / "out" / "results.json").read_text("utf-8")) == results
    assert {row["recommender"] for row in results["rows"]} == {"MostPop", "Random", "ItemKNN"}
    assert {(row["defense"], row["attack"], row["seed"]) for row in results["rows"]} == {("none", None, 42)}
    assert [stage["kind"] for stage in results["stages"]] == ["catalog", "interactions", *["recommender"] * 3]
    # Measures of all lists together have no interval.
    bare = {row["metric"] for row in results["rows"] if row["ci_low"] is None}
    assert bare == {"ItemCoverage", "UserCoverage", "Gini"}
    page = (folder / "out" / "report.html").read_text("utf-8")
    assert "ItemKNN" in page
    assert "No attack" not in page


@pytest.mark.parametrize("case", CASES)
def test_elliots_own_lists_get_elliots_own_numbers(case: str, tmp_path: Path) -> None:
    """``RecommendationFolder`` over the split of the first run, the items that come twice included."""
    for part in ("train", "test"):
        shutil.copy(GOLDEN / case / f"{part}.tsv", tmp_path)
    recipe = yaml.safe_load((GOLDEN / case / "recipe.yml").read_text("utf-8"))["experiment"]
    recipe = {key: recipe[key] for key in ("dataset", "top_k", "evaluation", "gpu")}
    recipe["data_config"] = {"strategy": "fixed", "train_path": "train.tsv", "test_path": "test.tsv"}
    recipe["models"] = {"RecommendationFolder": {"folder": str(GOLDEN / case / "recs")}}
    path = tmp_path / "recipe.yml"
    path.write_text(yaml.safe_dump({"experiment": recipe}), "utf-8")
    results = embedded.run(load(path), tmp_path / "out")
    for given in (GOLDEN / case).glob("rec_cutoff_*.tsv"):
        ours = table(tmp_path / "out" / "performance" / given.name)
        for name, row in table(given).iterrows():
            file = NAMED.get(str(name), "ItemKNN")
            assert ours.loc[file, row.index].to_numpy() == pytest.approx(row.to_numpy(), abs=1e-9), (
                name,
                given,
            )
    for given in (GOLDEN / case).glob("stat_*.tsv"):
        ours = {
            tuple(line[:3]): float(line[3]) for line in lists(tmp_path / "out" / "performance" / given.name)
        }
        for one, other, metric, p in lists(given):
            key = (NAMED.get(one, "ItemKNN"), NAMED.get(other, "ItemKNN"), metric)
            assert ours[key] == pytest.approx(float(p), abs=1e-9, nan_ok=True), (given.name, key)
    assert any("name an item again" in note for note in results["notes"])


@pytest.mark.parametrize("case", CASES)
def test_measures_of_whole_rankings_over_elliots_lists(case: str, tmp_path: Path) -> None:
    """Elliot's own recipe of the second run: lists are read to the last item, for AUC asks for that."""
    for part in ("train", "test"):
        shutil.copy(GOLDEN / case / f"{part}.tsv", tmp_path)
    recipe = (GOLDEN / case / "more" / "recipe.yml").read_text("utf-8")
    path = tmp_path / "recipe.yml"
    path.write_text(recipe.replace("folder: in", f"folder: {GOLDEN / case / 'recs'}"), "utf-8")
    embedded.run(load(path), tmp_path / "out")
    for given in (GOLDEN / case / "more").glob("rec_cutoff_*.tsv"):
        ours, theirs = table(tmp_path / "performance" / given.name), table(given)
        assert list(ours.columns) == list(theirs.columns)
        for name in ("ItemKNN", "MostPop", "Random"):
            row = theirs.loc[next(n for n in theirs.index if str(n).startswith(name))]
            assert ours.loc[name].to_numpy() == pytest.approx(row.to_numpy(), abs=1e-9), (name, given)
