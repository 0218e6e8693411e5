"""A recommender of ours in a recipe of Elliot's own, on a feature matrix: Elliot's data, our arithmetic."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.sparse import csr_matrix

from elliot_advrec.data.features import Manifest
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.splits import split_folds
from elliot_advrec.data.splitting.settings import Splitting
from elliot_advrec.errors import UserError
from elliot_advrec.hosts import elliot
from elliot_advrec.hosts.quiet import room
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders.content_knn import ContentKNN, ContentKNNConfig

SPLIT = {"test_splitting": {"strategy": "random_subsampling", "test_ratio": 0.25}}
METRICS = ("nDCG", "HR")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """60 users, 50 items with whole-number ids, ratings of 1 to 5."""
    random = np.random.default_rng(0)
    rows = [(u, i) for u in range(60) for i in random.choice(50, random.integers(6, 14), replace=False)]
    users, items = np.array(rows).T
    return pd.DataFrame({"user": users, "item": 100 + items, "rating": random.integers(1, 6, len(rows))})


@pytest.fixture
def made(frame: pd.DataFrame, tmp_path: Path) -> Path:
    """A folder with the rows and the features of all items that have training rows."""
    frame.to_csv(tmp_path / "rows.tsv", sep="\t", index=False, header=False)
    items = trained(frame)
    values = np.random.default_rng(1).normal(size=(len(items), 8)).astype(np.float32)
    np.save(tmp_path / "features.npy", values)
    Manifest(ids=items, dim=8).save(tmp_path / "features.json")
    return tmp_path


def parts(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = frame.astype({"user": str, "item": str, "rating": float})
    found = split_folds(named, Splitting.model_validate(SPLIT))[0][0].evaluable()
    return found.train, found.test


def trained(frame: pd.DataFrame) -> list[str]:
    return sorted(parts(frame)[0]["item"].unique().tolist(), reverse=True)


def run(home: Any, folder: Path, **models: Any) -> dict[int, pd.DataFrame]:
    door = Path(elliot.__file__).parent / "external" / "__init__.py"
    written: dict[str, Any] = {
        "dataset": "own",
        "data_config": {"strategy": "dataset", "dataset_path": str(folder / "rows.tsv")},
        "splitting": SPLIT,
        "top_k": 10,
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": list(METRICS), "relevance_threshold": 3},
        "gpu": -1,
        "external_models_path": str(door),
        "models": {f"external.{name}": settings for name, settings in models.items()},
        "path_log_folder": str(folder / "log"),
    }
    for key, name in (("result", "recs"), ("weight", "weights"), ("performance", "performance")):
        (folder / name).mkdir(exist_ok=True)
        written[f"path_output_rec_{key}"] = str(folder / name)
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump({"experiment": written}), "utf-8")
    with room(home.folder, folder / "said.log"):
        importlib.import_module("elliot.run").run_experiment(str(path))
    newest = sorted((folder / "performance").glob("rec_cutoff_*"), key=lambda p: p.stat().st_mtime_ns)
    return {int(p.name.split("_")[2]): pd.read_csv(p, sep="\t", index_col="model") for p in newest}


def test_its_numbers_are_those_of_our_own_evaluation(home: Any, made: Path, frame: pd.DataFrame) -> None:
    knn = {"neighbors": 7, "features": "features.npy", "meta": {"save_recs": True}}
    found = run(home, made, ContentKNN=knn)
    name = "ContentKNN_features=features$npy_neighbors=7"  # yaml.safe_dump sorts
    train, test = parts(frame)
    users, items = train["user"].unique().tolist(), trained(frame)
    known = test[test["item"].isin(items)]

    def matrix(table: pd.DataFrame) -> csr_matrix:
        row, column = table["user"].map(users.index), table["item"].map(items.index)
        shape = (len(users), len(items))
        return csr_matrix((table["rating"].to_numpy(np.float32), (row, column)), shape=shape)

    interactions = Interactions(users, matrix(train), None, matrix(known), False, [])
    ours = ContentKNN(ContentKNNConfig(neighbors=7))
    ours.fit(interactions, np.load(made / "features.npy"))
    expected = evaluate(ours, interactions, (5, 10), metrics=METRICS, relevance_threshold=3)
    assert len(known) == len(test), "an item without training rows counts in Elliot alone: draw other rows"
    for k in (5, 10):
        assert list(found[k].index) == [name]
        for metric in METRICS:
            assert found[k].loc[name, metric] == pytest.approx(expected.rate(metric, k).value, abs=1e-9)
    lists = pd.read_csv(made / "recs" / f"{name}.tsv", sep="\t", header=None)
    assert lists.groupby(0).size().eq(10).all()
    seen = set(zip(train["user"].astype(int), train["item"].astype(int), strict=True))
    assert not seen & set(zip(lists[0], lists[1], strict=True))


def test_weights_are_saved_and_restored(home: Any, made: Path) -> None:
    knn = {"neighbors": 7, "features": "features.npy"}
    first = run(home, made, ContentKNN={**knn, "meta": {"save_weights": True}})
    (saved,) = (made / "weights").rglob("recommender.safetensors")
    again = run(home, made, ContentKNN={**knn, "meta": {"restore": True}})
    pd.testing.assert_frame_equal(first[5], again[5])
    saved.unlink()
    with pytest.raises(Exception, match="no recommender can be read"):
        run(home, made, ContentKNN={**knn, "meta": {"restore": True}})


def test_a_recommender_without_images_needs_no_features(home: Any, made: Path) -> None:
    found = run(home, made, MostPop={}, Random={"random_seed": 3})
    assert list(found[5].index) == ["MostPop", "Random_random_seed=3"]
    assert found[10].loc["MostPop", "HR"] > 0


def test_what_is_wrong_with_the_section_is_one_sentence(home: Any, made: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"external\.ContentKNN: ContentKNN needs item embeddings"):
        run(home, made, ContentKNN={})
    with pytest.raises(UserError, match=r"external\.ContentKNN.*neigbors.*did you mean 'neighbors'"):
        run(home, made, ContentKNN={"neigbors": 3})
    with pytest.raises(UserError, match=r"absent\.npy"):
        run(home, made, ContentKNN={"features": "absent.npy"})
    items = trained(frame)
    np.save(made / "few.npy", np.ones((3, 8), np.float32))
    Manifest(ids=[*items[1:3], "stranger"], dim=8).save(made / "few.json")
    missing = rf"few\.npy: {len(items) - 2} of {len(items)} items with training rows have no features"
    with pytest.raises(UserError, match=missing):
        run(home, made, ContentKNN={"features": "few.npy"})
    np.save(made / "none.npy", np.ones((1, 8), np.float32))
    Manifest(ids=["stranger"], dim=8).save(made / "none.json")
    with pytest.raises(UserError, match="no item of the catalog has features"):
        run(home, made, ContentKNN={"features": "none.npy"})
