"""Bad data at the command line: one sentence that says what, where and the cure, and exit code 2."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Called
from tiny_recipes import save, small

from elliot_advrec.data.features import Manifest

Elliot = Callable[..., Called]
ROWS = [(u, i, 1 + (u + i) % 5, 100 + u) for u in range(6) for i in range(8) if (u * i) % 3 != 1]
LEAVE = {"strategy": "random_subsampling", "leave_n_out": 1}
VALUES = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def tsv(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def plain(
    folder: Path, rows: list[tuple[Any, ...]] = ROWS, features: Path | None = None, **keys: Any
) -> Path:
    """A recipe of Elliot's own."""
    data: dict[str, Any] = {"strategy": "dataset", "dataset_path": str(tsv(folder / "rows.tsv", rows))}
    models: dict[str, Any] = {"MostPop": {}}
    if features is not None:
        data["side_information"] = [{"dataloader": "VisualAttribute", "visual_features": str(features)}]
        models = {"external.ContentKNN": {"neighbors": 2}}
    experiment = {
        "dataset": "d",
        "data_config": data,
        "splitting": {"test_splitting": LEAVE},
        "top_k": 3,
        "evaluation": {"cutoffs": [3], "simple_metrics": ["nDCG", "HR"]},
        "models": models,
        "gpu": -1,
        **keys,
    }
    return save({"experiment": experiment}, folder / "recipe.yml")


@pytest.fixture
def said(elliot: Elliot, tmp_path: Path) -> Callable[[Path], str]:
    """What ``elliot run`` says of a recipe that it must refuse."""

    def call(recipe: Path, command: str = "run") -> str:
        quiet = ["-q"] if command == "run" else []
        called = elliot(command, recipe, *quiet, "-o", tmp_path / "out")
        lines = called.err.splitlines()
        assert called.code == 2, called
        assert called.out == ""
        assert [line.startswith("error: ") for line in lines] == [True], called.err
        return lines[0]

    return call


Said = Callable[..., str]


def folder(root: Path, values: np.ndarray = VALUES) -> Path:
    (root / "f").mkdir()
    for number, row in enumerate(values):
        np.save(root / "f" / f"{number}.npy", row)
    return root / "f"


def matrix(root: Path, values: np.ndarray = VALUES, **manifest: Any) -> Path:
    np.save(root / "f.npy", values)
    Manifest(**{"ids": [str(i) for i in range(8)], "dim": 4} | manifest).save(root / "f.json")
    return root / "f.npy"


def renamed(root: Path) -> Path:
    path = folder(root)
    os.rename(path / "3.npy", path / "B0003.npy")
    return path


def with_nan(write: Callable[..., Path]) -> Callable[[Path], Path]:
    values = VALUES.copy()
    values[5, 2] = np.nan
    return lambda root: write(root, values)


def uneven(root: Path) -> Path:
    path = folder(root)
    np.save(path / "6.npy", VALUES[6, :3])
    return path


FEATURES = [
    pytest.param(renamed, "f: 'B0003.npy' is not called by a whole number; Elliot reads", id="no number"),
    pytest.param(with_nan(folder), "f: the features of the item '5' hold NaN or infinity; extract", id="NaN"),
    pytest.param(
        with_nan(matrix), "f.npy: the features of the item '5' hold NaN or inf", id="NaN in a matrix"
    ),
    pytest.param(uneven, "6.npy: holds 3 numbers, the first file of the folder 4", id="another extractor's"),
    pytest.param(
        lambda root: matrix(root, VALUES[:7]), "f.npy: the matrix is 7 x 4, its ids say 8 x 4", id="height"
    ),
    pytest.param(lambda root: matrix(root, dim=5), "its ids say 8 x 5; matrix and ids belong to", id="width"),
    pytest.param(
        lambda root: matrix(root, ids=[f"B{i}" for i in range(8)]),
        "rows.tsv: all items are without features; they are called like '0'; known ids look like 'B0'",
        id="other ids",
    ),
    pytest.param(lambda root: root / "nowhere", "there is neither a file nor a folder", id="missing"),
]


@pytest.mark.parametrize(("write", "words"), FEATURES)
def test_bad_features(said: Said, tmp_path: Path, write: Callable[[Path], Path], words: str) -> None:
    assert words in said(plain(tmp_path, features=write(tmp_path)))


def test_ids_of_interactions_that_are_no_numbers_where_elliots_features_are(
    said: Said, tmp_path: Path
) -> None:
    named = [(u, f"B{i:03d}", r, t) for u, i, r, t in ROWS]
    found = said(plain(tmp_path, named, folder(tmp_path)))
    assert f"{tmp_path / 'rows.tsv'}: all items are without features; they are called like 'B000'" in found
    assert found.endswith("; known ids look like '0'")


SPLITS = [
    pytest.param({"leave_n_out": 50}, "splitting.test_splitting: the split leaves no test rows of", id="all"),
    pytest.param(
        {"strategy": "fixed_timestamp", "timestamp": 999}, "the split leaves no test rows of", id="too late"
    ),
    pytest.param(
        {"strategy": "fixed_timestamp", "timestamp": 0},
        "hold other rows out, or give users with",
        id="too early",
    ),
    pytest.param({"strategy": "random_subsamplin", "leave_n_out": 1}, "did you mean 'random_sub", id="name"),
    pytest.param({"strategy": "hold_out"}, "strategy 'hold_out'; did you mean 'temporal_h", id="no name"),
    pytest.param({"test_ratio": 1.5}, "splitting.test_splitting.test_ratio", id="ratio"),
    pytest.param({"test_ratio": 0.2, "leave_n_out": 1}, "exactly one of test_ratio and", id="both"),
    pytest.param({"strategy": "random_cross_validation"}, "needs folds, at least 2", id="folds"),
    pytest.param(
        {"strategy": "temporal_hold_out", "leave_n_out": 1, "folds": 2}, "'folds' is not", id="unread"
    ),
]


@pytest.mark.parametrize(("settings", "words"), SPLITS)
def test_bad_splits(said: Said, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    strategy = {"strategy": "random_subsampling", **settings}
    assert words in said(plain(tmp_path, splitting={"test_splitting": strategy}))


def test_a_temporal_split_without_times(said: Said, tmp_path: Path) -> None:
    temporal = {"test_splitting": {"strategy": "temporal_hold_out", "leave_n_out": 1}}
    found = said(plain(tmp_path, [row[:3] for row in ROWS], splitting=temporal))
    assert (
        "'temporal_hold_out' needs timestamps, and the interactions have none; add a fourth column" in found
    )


FILTERS = [
    (
        {"strategy": "user_k_core", "core": 99},
        "prefiltering[0]: user_k_core (core 99) leaves no interactions",
    ),
    ({"strategy": "global_threshold", "threshold": 9}, "(threshold 9) leaves no interactions; filter less"),
    ({"strategy": "k_core", "core": 2}, "unknown prefiltering strategy 'k_core'; did you mean"),
    ({"strategy": "user_k_core"}, "'user_k_core' needs core"),
]


@pytest.mark.parametrize(("settings", "words"), FILTERS)
def test_bad_filters(said: Said, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    assert words in said(plain(tmp_path, prefiltering=settings))


def test_filters_by_ratings_need_some(said: Said, tmp_path: Path) -> None:
    recipe = plain(tmp_path, [row[:2] for row in ROWS], prefiltering={"strategy": "user_average"})
    assert "rows.tsv: 'user_average' filters by ratings, and the file has none; take the filter" in said(
        recipe
    )


def test_users_and_items_that_vanish_are_said(elliot: Elliot, tmp_path: Path) -> None:
    """User 99 has one row, which is held out; it is the one row of item 77."""
    recipe = plain(tmp_path, [*[row[:2] for row in ROWS], (99, 77), (5, 0), (5, 0)])
    called = elliot("run", recipe, "-q", "-o", tmp_path / "out")
    assert called.code == 0, called.err
    results = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    notes = "\n".join(results["notes"])
    assert "1 users have no training row left and are not evaluated for the test" in notes
    assert f"{tmp_path / 'rows.tsv'}: every rating was taken as 1, as in Elliot, for it has none" in notes
    assert "2 repeats of a (user, item) are split as they stand, as in Elliot" in notes
    assert {row["n"] for row in results["rows"] if row["metric"] == "HR"} == {6}


def test_items_that_vanish_from_training_are_said(elliot: Elliot, tmp_path: Path) -> None:
    rows = [*ROWS, (0, 50, 5, 999), (1, 51, 5, 999)]
    late = {"test_splitting": {"strategy": "temporal_hold_out", "leave_n_out": 1}}
    called = elliot("run", plain(tmp_path, rows, splitting=late), "-q", "-o", tmp_path / "out")
    assert called.code == 0, called.err
    notes = "\n".join(json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["notes"])
    assert "2 items of the test have no training row left: as in Elliot they are never recommended" in notes


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def hostile(root: Path) -> dict[str, Any]:
    with (root / "x.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (6,)})
        pickle.dump(Evil(), stream)
    return {"source": "dvbpr", "file": "x.npy"}


def other_names(root: Path) -> dict[str, Any]:
    (root / "images").mkdir()
    (root / "images" / "0001.jpg").write_bytes(b"never decoded")
    review = {"reviewerID": "u", "asin": "B1", "overall": 5, "unixReviewTime": 1}
    (root / "r.json").write_text(json.dumps(review))
    return {"source": "amazon", "interactions": "r.json", "images": "images"}


def cut_off(root: Path) -> dict[str, Any]:
    packed = gzip.compress(b"".join(b"u%d,B%d,5,1\n" % (n % 97, n) for n in range(20_000)))
    settings = other_names(root)
    (root / "r.json").write_bytes(packed[:-100])
    return settings


SOURCES = [
    pytest.param(hostile, "x.npy: the pickle was refused: it names 'posix.system', which no", id="hostile"),
    pytest.param(
        other_names,
        "r.json: no item has an image; the items are called like 'B1', the images are called like '0001'",
        id="images of other ids",
    ),
    pytest.param(cut_off, "r.json: the gzip stream is damaged or cut off", id="cut off"),
]


@pytest.mark.parametrize(("write", "words"), SOURCES)
def test_bad_sources(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = save(small(catalog={**write(tmp_path), "size": 32}), tmp_path / "recipe.yml")
    assert words in said(recipe, "check").replace("nt.system", "posix.system")
    assert not (tmp_path / "owned").exists()
