"""The stand-in has the files and forms of Amazon's dump of 2014, and what its filters are for."""

from __future__ import annotations

import ast
import errno
import json
from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.data import standin_amazon as module
from elliot_advrec.data.features import open_features
from elliot_advrec.data.sources.records import lines
from elliot_advrec.data.standin_amazon import FEATURES, META, RATINGS, REVIEWS, ROOT, write_amazon
from elliot_advrec.errors import UserError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "amazon"
    write_amazon(folder, items=80, seed=5, size=32)
    return folder


def test_the_files_and_their_forms(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {FEATURES, META, RATINGS, REVIEWS, "images"}
    reviews = [json.loads(line) for _, line in lines(written / REVIEWS)]
    assert set(reviews[0]) == {
        "reviewerID", "asin", "reviewerName", "helpful", "reviewText", "overall", "summary",
        "unixReviewTime", "reviewTime",
    }  # fmt: skip
    metas = [line.decode() for _, line in lines(written / META)]
    with pytest.raises(json.JSONDecodeError):
        json.loads(metas[0])
    found = [ast.literal_eval(line) for line in metas]
    assert all(entry["categories"][0][0] == ROOT and len(entry["asin"]) == 10 for entry in found)
    ratings = [line.split(",") for line in (written / RATINGS).read_text().splitlines()]
    assert [row[:2] for row in ratings] == [[review["reviewerID"], review["asin"]] for review in reviews]
    assert all(1 <= float(row[2]) <= 5 for row in ratings)


def test_what_makes_filters_necessary(written: Path) -> None:
    users = [line.split(",")[0] for line in (written / RATINGS).read_text().splitlines()]
    counts = np.unique(users, return_counts=True)[1]
    assert counts.min() < 5 <= counts.max()
    pictured = {path.stem for path in (written / "images").iterdir()}
    assert 0 < 80 - len(pictured) < 12
    assert len(list(lines(written / META))) < 80
    features = open_features(written / FEATURES)
    assert set(features.ids) == pictured
    assert features.dim == 4096


def test_the_seed_decides_everything(written: Path, tmp_path: Path) -> None:
    write_amazon(tmp_path / "same", items=80, seed=5, size=32)
    write_amazon(tmp_path / "other", items=80, seed=6, size=32)
    for name in (FEATURES, META, RATINGS, REVIEWS):
        assert (tmp_path / "same" / name).read_bytes() == (written / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (written / name).read_bytes()


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        write_amazon(tmp_path, items=20, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled_and_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    write_amazon(tmp_path / "here", items=20, size=32)
    assert (tmp_path / "here" / REVIEWS).is_file()

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_pack", full)
    with pytest.raises(UserError, match="disk is full"):
        write_amazon(tmp_path / "new", items=20, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("settings", [{"items": 19}, {"size": 8}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match="cannot draw"):
        write_amazon(tmp_path / "new", **settings)
