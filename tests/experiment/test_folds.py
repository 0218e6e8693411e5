"""Folds: a stage each, one row a cell, means with intervals that know users come again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_recipes import save, small

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.folds import Treatment
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.matrices import build_folds
from elliot_advrec.data.negatives import NegativeSampling
from elliot_advrec.data.prefilters import Prefilter
from elliot_advrec.data.splitting.settings import FixedFiles, Splitting
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import make_plan
from elliot_advrec.experiment.averaging import Fold, mean_rows, one_ranking
from elliot_advrec.hosts import embedded
from elliot_advrec.metrics.measured import Overall, PerUser, Ranking
from elliot_advrec.metrics.rates import mean_interval, wilson
from elliot_advrec.recipe import load

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
CROSS = {"strategy": "random_cross_validation", "folds": 3}
DRAWN = {"strategy": "random_subsampling", "leave_n_out": 1, "folds": 2}
Tree = dict[str, Any]


def plain(folder: Path, models: Tree, **keys: Any) -> Path:
    """A recipe of Elliot's own over the golden interactions."""
    data = {"strategy": "dataset", "dataset_path": str(GOLDEN / "interactions.tsv")}
    recipe = {"dataset": "d", "data_config": data, "gpu": -1, **keys, "models": models}
    return save({"experiment": recipe}, folder / "recipe.yml")


def run(path: Path, store: Path | None = None) -> Tree:
    return embedded.run(load(path), path.parent / "out", store=store)


def catalog(*ids: str) -> Catalog:
    return Catalog(list(ids), np.full(len(ids), -1), [], None, [], np.full(len(ids), "train"), [])


def measured(users: list[int], values: list[float], highest: float = 1.0) -> Ranking:
    rows = np.array(users)
    by_key = {
        ("nDCG", 5): PerUser(rows, np.array(values), highest),
        ("Gini", 5): Overall(values[0], len(rows)),
    }
    return Ranking(rows, np.zeros((len(rows), 0), np.int64), by_key)  # type: ignore[arg-type]


def test_one_fold_is_what_it_was() -> None:
    values = [0.1, 0.5, 0.9, 0.2]
    [row, whole] = mean_rows([Fold(["a", "b", "c", "d"], measured([0, 1, 2, 3], values))])
    mean, low, high = mean_interval(np.array(values))
    assert (row["value"], row["n"]) == (pytest.approx(mean), 4)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(max(low, 0)), pytest.approx(min(high, 1)))
    assert (whole["value"], whole["ci_low"], whole["n"]) == (0.1, None, 4)


def test_a_user_in_two_folds_is_one_user() -> None:
    ids, values = ["a", "b", "c"], [0.2, 0.4, 0.9]
    one = mean_rows([Fold(ids, measured([0, 1, 2], values))])[0]
    # The same users with the same values again tell nothing new, whatever their rows are called.
    other = Fold(["x", "c", "a", "b"], measured([1, 2, 3], [0.9, 0.2, 0.4]))
    twice = mean_rows([Fold(ids, measured([0, 1, 2], values)), other])[0]
    for column in ("value", "ci_low", "ci_high", "n"):
        assert twice[column] == pytest.approx(one[column])


def test_other_users_in_every_fold_are_a_stratified_sample() -> None:
    first, second = [0.1, 0.3, 0.8], [0.5, 0.6]
    [row, whole] = mean_rows(
        [Fold(["a", "b", "c"], measured([0, 1, 2], first)), Fold(["d", "e"], measured([0, 1], second))]
    )
    assert row["value"] == pytest.approx((np.mean(first) + np.mean(second)) / 2)
    assert row["n"] == 5
    # The variance of half the sum of two independent means, by hand, with all users' factor U / (U - 1).
    apart = sum((v - np.mean(f)) ** 2 / (2 * len(f)) ** 2 for f in (first, second) for v in f)
    reach = 2.7764451051977934 * np.sqrt(5 / 4 * apart)  # Student's t of 4 degrees of freedom
    assert row["ci_high"] - row["value"] == pytest.approx(reach)
    assert whole["value"] == pytest.approx((0.1 + 0.5) / 2)
    assert whole["n"] == 3


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        taste = random.normal(0.5, 0.1, 60)  # what a user's lists are worth in every fold
        folds = []
        for _ in range(3):
            kept = np.sort(random.choice(60, 50, replace=False))
            values = taste[kept] + random.normal(0, 0.03, 50)
            folds.append(Fold([str(u) for u in range(60)], measured(kept.tolist(), values.tolist(), np.inf)))
        row = mean_rows(folds)[0]
        covered += row["ci_low"] <= 0.5 <= row["ci_high"]
    assert 0.92 <= covered / 400 <= 0.98


def test_shares_without_variance_and_single_users_have_an_interval() -> None:
    folds = [Fold(["a", "b"], measured([0, 1], [0.0, 0.0])), Fold(["b", "c"], measured([0, 1], [0.0, 0.0]))]
    row = mean_rows(folds)[0]
    assert (row["value"], row["ci_low"], row["ci_high"]) == (0.0, *wilson(0, 3))
    lone = mean_rows([Fold(["a"], measured([0], [0.4])), Fold(["a"], measured([0], [0.6]))])[0]
    assert (lone["value"], lone["ci_low"], lone["ci_high"], lone["n"]) == (0.5, 0.5, 0.5, 1)


def test_paired_tests_see_each_users_mean() -> None:
    folds = [
        Fold(["a", "b"], measured([0, 1], [0.2, 0.4])),
        Fold(["b", "c"], measured([0, 1], [0.6, 1.0])),
    ]
    found = one_ranking(folds, pd.Index(["a", "b", "c"]))
    values = found["nDCG", 5]
    assert isinstance(values, PerUser)
    assert values.users.tolist() == found.users.tolist() == [0, 1, 2]
    assert values.values.tolist() == [0.2, 0.5, 1.0]
    assert found["Gini", 5].value == pytest.approx(0.4)


def test_elliots_folds_are_averaged(tmp_path: Path) -> None:
    keys = {"evaluation": {"cutoffs": [5], "simple_metrics": ["nDCG", "ItemCoverage"], "paired_ttest": True}}
    models = {"MostPop": {"meta": {"save_recs": True}}, "ItemKNN": {"neighbors": 20}}
    results = run(plain(tmp_path, models, splitting={"test_splitting": CROSS}, **keys))
    kinds = [stage["kind"] for stage in results["stages"]]
    assert [kinds.count(k) for k in ("catalog", "interactions", "recommender")] == [3, 3, 6]
    assert {s["name"] for s in results["stages"] if s["kind"] == "interactions"} == {
        f"interactions, fold {number}" for number in (1, 2, 3)
    }
    rows = {(row["recommender"], row["metric"]): row for row in results["rows"]}
    assert len(rows) == len(results["rows"]) == 4
    records = [
        json.loads(p.read_text("utf-8"))
        for p in (tmp_path / "out" / "store" / "recommender").glob("*/stage.json")
    ]
    for (name, metric), row in rows.items():
        each = [
            found["value"]
            for record in records
            if record["settings"]["model"] == name
            for found in record["rows"]
            if found["metric"] == metric
        ]
        assert len(each) == 3
        assert row["value"] == pytest.approx(np.mean(each))
        assert row["n"] == 200
        assert min(each) <= row["value"] <= max(each)
    assert rows["MostPop", "nDCG"]["ci_low"] < rows["MostPop", "nDCG"]["value"]
    assert any("means over 3 test folds; n counts each user once" in note for note in results["notes"])
    assert sorted(p.name for p in (tmp_path / "out" / "recs").iterdir()) == [
        f"MostPop_seed=42_fold={number}.tsv" for number in (1, 2, 3)
    ]
    test = (tmp_path / "out" / "performance" / "stat_paired_ttest_cutoff_5_relthreshold_0.tsv").read_text(
        "utf-8"
    )
    assert float(test.splitlines()[0].split("\t")[3]) < 1e-6


def test_nested_folds_have_a_stage_each_and_one_fold_has_plain_labels(tmp_path: Path) -> None:
    nested = {"test_splitting": DRAWN, "validation_splitting": CROSS}
    stages = make_plan(load(plain(tmp_path, {"MostPop": None}, splitting=nested)), "cpu").stages
    labels = [s.label for s in stages if s.kind == "recommender"]
    assert labels == [f"recommender MostPop, seed 42, fold {t}.{v}" for t in (1, 2) for v in (1, 2, 3)]
    assert len({s.key for s in stages}) == len(stages)
    one = make_plan(load(plain(tmp_path, {"MostPop": None})), "cpu")
    assert [s.label for s in one.stages] == ["items", "interactions", "recommender MostPop, seed 42"]
    assert not any("fold" in s.settings for s in one.stages)
    assert one.cells == 1


def test_attacks_are_shared_by_folds(tmp_path: Path) -> None:
    recipe = small(catalog={"source": "synthetic", "items": 40, "users": 12, "size": 32})
    recipe["experiment"]["splitting"] = {"test_splitting": {**CROSS, "folds": 2}}
    results = run(save(recipe, tmp_path / "recipe.yml"))
    kinds = [stage["kind"] for stage in results["stages"]]
    assert {k: kinds.count(k) for k in ("interactions", "embeddings", "recommender", "attack", "rerank")} == {
        "interactions": 2,
        "embeddings": 1,
        "recommender": 2,
        "attack": 1,
        "rerank": 2,
    }
    named = [(r["recommender"], r["attack"], r["metric"], r["k"], r["rank_min"]) for r in results["rows"]]
    assert len(named) == len(set(named))
    for row in results["rows"]:
        if row["metric"] in ("nDCG", "HR"):
            assert row["n"] == 12
    assert make_plan(load(tmp_path / "recipe.yml"), "cpu").cells == 1


def rows(*given: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(given, columns=["user", "item", "rating"])


def test_rows_are_filtered_made_binary_and_split_in_that_order() -> None:
    frame = rows(*[(u, i, 5.0 if i != "z" else 1.0) for u in "ab" for i in "wxyz"], ("c", "w", 5.0))
    filters = (Prefilter(strategy="global_threshold", threshold=3), Prefilter(strategy="user_k_core", core=2))
    splitting = Splitting.model_validate({"test_splitting": CROSS})
    folds = build_folds(frame, catalog(*"wxyz"), splitting, treatment=Treatment(filters, True, None))
    assert [len(fold) for fold in folds] == [1, 1, 1]
    for [one] in folds:
        # A filter after binarize would have dropped every row.
        assert set(one.train.data) | set(one.test.data) == {1.0}
        assert one.users == ["a", "b"]
        assert not one.trained()[3]
        assert (one.train.nnz, one.test.nnz) == (4, 2)
        assert len([note for note in one.notes if note.startswith("prefiltering")]) == 2


def test_negatives_are_kept_with_the_interactions(tmp_path: Path) -> None:
    frame = rows(*[(str(u), str(i), 1.0) for u in range(4) for i in range(u, u + 5)])
    splitting = {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
    sampling = NegativeSampling(strategy="random", num_items=2)
    [[one]] = build_folds(
        frame, catalog(*map(str, range(8))), splitting, treatment=Treatment((), False, sampling)
    )
    assert one.test_candidates is not None
    assert one.validation_candidates is None
    assert np.diff(one.test_candidates.indptr).max() <= 3
    one.save(tmp_path)
    again = Interactions.load(tmp_path)
    assert again.test_candidates is not None
    assert again.test_candidates.dtype == bool
    assert (again.test_candidates != one.test_candidates).nnz == 0


def test_negative_sampling_decides_what_is_ranked(tmp_path: Path) -> None:
    sampling = {"strategy": "random", "num_items": 10}
    models = {"MostPop": {"meta": {"save_recs": True}}}
    keys = {"evaluation": {"cutoffs": [5], "simple_metrics": ["HR"]}}
    full = run(plain(tmp_path, models, **keys))["rows"][0]
    drawn = run(plain(tmp_path, models, negative_sampling=sampling, **keys))["rows"][0]
    assert drawn["value"] > full["value"]  # 11 candidates instead of more than a hundred
    listed = pd.read_csv(tmp_path / "out" / "recs" / "MostPop_seed=42.tsv", sep="\t", header=None)
    assert listed.groupby(0).size().max() <= 11


def test_a_split_that_is_made_may_be_made_binary(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tx\t4\nb\ty\t2\n", "utf-8")
    (tmp_path / "test.tsv").write_text("a\ty\t5\n", "utf-8")
    files = FixedFiles(train_path=tmp_path / "train.tsv", test_path=tmp_path / "test.tsv")
    [[one]] = build_folds(None, catalog("x", "y"), files, treatment=Treatment((), True, None))
    assert {*one.train.data, *one.test.data} == {1.0}


def test_what_a_filter_leaves_empty_is_refused(tmp_path: Path) -> None:
    path = plain(tmp_path, {"MostPop": None}, prefiltering={"strategy": "user_k_core", "core": 1000})
    with pytest.raises(
        UserError, match=r"prefiltering\[0\]: user_k_core \(core 1000\) leaves no interactions"
    ):
        run(path)


def test_filters_see_every_row_though_items_vanish(tmp_path: Path) -> None:
    """Were rows of vanished items gone before the filter, the mean would be 4.5 and take ``y`` as well."""
    frame = rows(*[(u, i, r) for u in "abcd" for i, r in (("x", 5.0), ("y", 4.0), ("z", 1.0), ("w", 1.0))])
    path = tmp_path / "rows.tsv"
    path.write_text(frame.to_csv(sep="\t", header=False, index=False), "utf-8")
    filters = {"strategy": "global_threshold", "threshold": "average"}
    data = {"strategy": "dataset", "dataset_path": str(path)}
    run(plain(tmp_path, {"MostPop": None}, prefiltering=filters, data_config=data, top_k=2))
    [found] = (tmp_path / "out" / "store" / "catalog").glob("*/catalog.json")
    assert sorted(json.loads(found.read_text("utf-8"))["ids"]) == ["x", "y"]
    [kept] = (tmp_path / "out" / "store" / "interactions").glob("*/interactions.npz")
    one = Interactions.load(kept.parent)
    assert (one.train.nnz, one.test.nnz) == (4, 4)
    assert [note for note in one.notes if "lacks" in note] == []


@pytest.mark.parametrize("form", ["folder", "matrix"])
def test_a_recommender_that_sees_takes_given_features(tmp_path: Path, form: str) -> None:
    """Items without features are left out, as in Elliot, and a search finds its way to the features too."""
    frame = pd.read_csv(GOLDEN / "interactions.tsv", sep="\t", header=None)
    items = sorted(frame[1].unique().tolist())[:-7]
    features = np.random.default_rng(0).normal(size=(len(items), 8)).astype(np.float32)
    path = tmp_path / ("features" if form == "folder" else "features.npz")
    if form == "folder":
        path.mkdir()
        # Of what is beside an extraction: its own split holds numbers, as Elliot's do.
        named = "".join(f"item {number}\t{number}\n" for number in items)
        (tmp_path / "items.tsv").write_text(named, "utf-8")
        for number, row in zip(items, features, strict=True):
            np.save(path / f"{number}.npy", row)
    else:
        np.savez(path, features=features, ids=np.array([str(item) for item in items]))
    data = {
        "strategy": "dataset",
        "dataset_path": str(GOLDEN / "interactions.tsv"),
        "side_information": [{"dataloader": "VisualAttribute", "visual_features": str(path)}],
    }
    models = {
        "VBPR": {"epochs": [1, 2], "factors": 4, "factors_d": 4},
        "external.ContentKNN": {"neighbors": 5},
    }
    splitting = {"test_splitting": {**CROSS, "folds": 2}}
    results = run(plain(tmp_path, models, data_config=data, splitting=splitting))
    assert {row["recommender"] for row in results["rows"]} == {"VBPR", "ContentKNN"}
    [first, second] = (tmp_path / "out" / "store" / "embeddings").glob("*/embeddings.npy")
    assert not np.array_equal(np.load(first), np.load(second))  # in the order of each fold's items
    gone = (~frame[1].isin(items)).sum()
    assert any(f"{gone} interactions with 7 items without features" in n for n in results["notes"])
    catalogs = (tmp_path / "out" / "store" / "catalog").glob("*/catalog.json")
    for ids in (json.loads(found.read_text("utf-8"))["ids"] for found in catalogs):
        assert sorted(map(int, ids)) == items
