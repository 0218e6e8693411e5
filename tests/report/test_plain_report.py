"""The report of a recipe without pictures or attacks: recommenders side by side, and what searches chose."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pandas as pd
import pytest
from commands import Called
from rich.console import Console
from tiny_recipes import save

from elliot_advrec import report
from elliot_advrec.report.document import parse
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.ranking import ranking_tables
from elliot_advrec.report.searches import chosen_table, trial_tables
from elliot_advrec.report.sections import all_sections
from elliot_advrec.report.table import Table

OF_ATTACKS = ("attack", "Undefended", "perturb", "adversar", "defen", "pairs", "Images in the catalog")


def rows(seeds: tuple[int, ...] = (1,)) -> list[dict[str, Any]]:
    return [
        fakes.row(metric, value + seed / 100, recommender=name, defense="none", k=k, n=40, seed=seed)
        for seed in seeds
        for name, value in (("MostPop", 0.1), ("VBPR", 0.2))
        for k in (5, 10)
        for metric in ("nDCG", "HR", "Gini")
    ]


def experiment(seeds: tuple[int, ...] = (1,), **changes: Any) -> dict[str, Any]:
    """results.json of a recipe of Elliot's own with two searches."""
    meta = {"validation_metric": None, "optimize_internal_loss": False}
    models = {
        "ItemKNN": {"neighbors": [5, 20], "meta": {**meta, "validation_metric": "HR@10"}},
        "external.VBPR": {"lr": [0.1, 0.01], "meta": meta},
        "external.BPRMF": {"lr": [0.1, 0.01], "meta": {**meta, "optimize_internal_loss": True}},
    }
    recipe = {
        "dataset": "shop",
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR", "Gini"]},
        "models": models,
        "adversarial": {"seeds": list(seeds)},
    }
    searches = [
        {
            "name": "search of ItemKNN, seed 1",
            "recommender": "ItemKNN",
            "trials": [
                {"settings": {"neighbors": 5}, "loss": -0.25, "test": {}},
                {"settings": {"neighbors": 20}, "loss": -0.5, "test": {}},
            ],
            "best": 1,
        },
        {
            "name": "search of VBPR, seed 1",
            "recommender": "VBPR",
            "trials": [
                {"settings": {"lr": 0.1, "factors": 8}, "loss": None, "test": {}, "diverged": True},
                {"settings": {"lr": 0.01, "factors": 8}, "loss": -0.125, "test": {}},
            ],
            "best": 1,
        },
        {
            "name": "search of BPRMF, seed 1",
            "recommender": "BPRMF",
            "trials": [{"settings": {"lr": 0.1}, "loss": 3.5, "test": {}}],
            "best": 0,
        },
    ]
    stages = [{"name": "recommender VBPR, seed 1", "key": "a", "seconds": 1.0, "gradient_evaluations": 0}]
    return {
        "name": "shop",
        "recipe": {"experiment": recipe},
        "seeds": list(seeds),
        "stages": stages,
        "searches": searches,
        "rows": rows(seeds),
        **changes,
    }


def texts(found: Table | None) -> list[list[str]]:
    assert found is not None
    return [[entry.text for entry in row] for block in found.blocks for row in block.rows]


def printed(results: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(report.terminal(results))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_nothing_speaks_of_attacks(tmp_path: Path) -> None:
    results = experiment()
    [path] = report.write(tmp_path, results, {})
    html = path.read_text("utf-8").partition("<body>")[2].partition('id="recipe"')[0]
    for text in (html, printed(results)):
        assert not [word for word in OF_ATTACKS if word in text]
        assert "Gradient" not in text
        assert "gradient" not in text
        assert "Recommendation quality at 10" in text
        assert "One seed: the intervals cover which users were judged" in text
    assert "Evaluation of recommenders" in html
    document = parse(results)
    anchors = [section.anchor for section in all_sections(document, Pool(document.rows), {})]
    assert anchors == ["ranking", "searches", "cost"]


def test_a_catalog_without_attacks_keeps_its_accuracy() -> None:
    ours = {"adversarial": {"catalog": {"source": "folder"}, "defenses": [{"type": "none"}], "attacks": []}}
    results = experiment(recipe={"experiment": ours})
    results["rows"].append(fakes.row("accuracy", 0.5, defense="none", n=20, seed=1))
    text = printed(results)
    assert "Category accuracy" in text
    assert "No attack was run" not in text
    assert "success rate" not in text


def test_recommenders_stand_in_rows_and_metrics_in_columns() -> None:
    document = parse(experiment())
    five, ten = ranking_tables(Pool(document.rows))
    assert (five.title, ten.title) == ("Recommendation quality at 5", "Recommendation quality at 10")
    assert [column.head for column in five.columns] == ["Recommender", "nDCG", "HR", "Gini"]
    assert texts(five) == [["MostPop", *["0.110"] * 3], ["VBPR", *["0.210"] * 3]]


def test_seeds_are_means_with_their_spread() -> None:
    text = printed(experiment((1, 3)))
    assert "2 seeds: numbers are means ± the standard deviation over seeds." in text
    assert "± 0.014" in text
    assert "pairs" not in text


def test_one_that_is_blind_is_shown_once() -> None:
    at = {"recommender": "MostPop", "k": 10, "n": 5, "seed": 1}
    seeing = {**at, "recommender": "VBPR"}
    hit = {"attack": "pgd", "steps": 3, "eps": 0.05, "norm": "linf"}
    made = [
        *(fakes.row(m, 0.1, defense=d, **at) for m in ("HR", "nDCG", "ARP") for d in ("none", "at")),
        *(fakes.row(m, 0.1, defense=d, **seeing) for m in ("HR", "nDCG", "ARP") for d in ("none", "at")),
        fakes.row("HR", 0.1, defense="none", **seeing, **hit),
    ]
    tables = ranking_tables(Pool(parse(experiment(rows=made)).rows))
    labels = [[block.label for block in found.blocks] for found in tables]
    assert labels[0] == ["MostPop", "VBPR · Undefended", "VBPR · AT"]
    assert labels[1][0] == "MostPop"
    # The same in all but one number is not blind.
    made[1]["value"] = 0.2
    tables = ranking_tables(Pool(parse(experiment(rows=made)).rows))
    assert [block.label for block in tables[0].blocks][:2] == ["MostPop · Undefended", "MostPop · AT"]


def test_a_search_says_which_setting_won_and_by_what() -> None:
    document = parse(experiment())
    assert texts(chosen_table(document)) == [
        ["ItemKNN, seed 1", "2", "neighbors: 20", "HR@10", "0.5000"],
        ["VBPR, seed 1", "2", "lr: 0.01, factors: 8", "nDCG@5", "0.1250"],
        ["BPRMF, seed 1", "1", "lr: 0.1", "training loss", "3.5000"],
    ]
    first, second, third = trial_tables(document)
    assert first.title == "All candidates of ItemKNN, seed 1"
    assert texts(first) == [["2", "neighbors: 20", "0.5000"], ["1", "neighbors: 5", "0.2500"]]
    assert [entry.strong for entry in first.blocks[0].rows[0]] == [False, True, True]
    assert texts(second)[-1] == ["1", "lr: 0.1, factors: 8", "no number"]
    assert texts(third) == [["1", "lr: 0.1", "3.5000"]]
    assert chosen_table(parse(experiment(searches=[]))) is None


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        ({}, "metric"),
        ({"simple_metrics": ["HR"]}, "HR"),
        ({"simple_metrics": ["HR"], "cutoffs": [3]}, "HR@3"),
    ],
)
def test_a_recipe_of_another_release_does_no_harm(evaluation: dict[str, Any], expected: str) -> None:
    document = parse(experiment(recipe={"experiment": {"evaluation": evaluation, "adversarial": {}}}))
    assert texts(chosen_table(document))[0][3] == expected


def test_the_folder_that_the_recipe_names_is_written_where_it_is_there(tmp_path: Path) -> None:
    results, arrays = fakes.experiment()
    named = tmp_path / "elsewhere"
    results["recipe"]["experiment"]["path_output_rec_performance"] = str(named)
    written = report.write(tmp_path / "out", results, arrays)
    assert {path.parent for path in written[1:]} == {tmp_path / "out" / "performance"}
    assert not named.exists()
    named.mkdir()
    written = report.write(tmp_path / "out", results, arrays)
    assert {path.parent for path in written[1:]} == {named}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_reporting_again_leaves_elliots_tables_alone(elliot: Callable[..., Called], tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    user, item = np.nonzero(random.random((30, 20)) < 0.4)
    table = pd.DataFrame({"user": user, "item": item, "rating": 1, "time": random.permutation(len(user))})
    table.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    ratio = {"strategy": "random_subsampling", "test_ratio": 0.2}
    recipe = {
        "dataset": "rows",
        "data_config": {"strategy": "dataset", "dataset_path": "rows.tsv"},
        "splitting": {"test_splitting": ratio, "validation_splitting": ratio},
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR"], "paired_ttest": True},
        "top_k": 10,
        "gpu": -1,
        "models": {"MostPop": {}, "ItemKNN": {"neighbors": [3, 9]}},
    }
    called = elliot("run", save({"experiment": recipe}, tmp_path / "recipe.yml"), "-o", tmp_path / "out")
    assert called.code == 0, called
    assert "Searched settings" in called.out
    before = digests(tmp_path / "out" / "performance")
    assert {"rec_cutoff_5_relthreshold_0.tsv", "rec_ItemKNN_cutoff_5_relthreshold_0.tsv"} <= set(before)
    (tmp_path / "out" / "report.html").unlink()
    again = elliot("report", tmp_path / "out")
    assert again.code == 0, again
    assert again.out.splitlines() == [str(tmp_path / "out" / "report.html")]
    assert digests(tmp_path / "out" / "performance") == before
    assert (tmp_path / "out" / "report.html").is_file()
