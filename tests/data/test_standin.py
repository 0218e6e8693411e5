"""The stand-in has DeepFashion's layout, to the count lines, and its flaws."""

from __future__ import annotations

import errno
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from elliot_advrec.data import standin
from elliot_advrec.data.garments import TEXTURES
from elliot_advrec.data.standin import write_deepfashion
from elliot_advrec.data.standin_lists import ATTRIBUTE_TYPES, CATEGORIES, attribute_names
from elliot_advrec.errors import UserError

ITEMS = 150


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "deepfashion"
    write_deepfashion(folder, items=ITEMS, seed=3, size=96)
    return folder


def lines(path: Path) -> tuple[int, list[str], list[list[str]]]:
    """The count, the words of the header, and the words of each row."""
    text = path.read_text("utf-8").splitlines()
    return int(text[0]), text[1].split(), [line.split() for line in text[2:]]


@pytest.mark.parametrize(
    ("name", "header", "count"),
    [
        ("Anno/list_category_cloth.txt", "category_name category_type", 50),
        ("Anno/list_category_img.txt", "image_name category_label", ITEMS),
        ("Anno/list_attr_cloth.txt", "attribute_name attribute_type", 1000),
        ("Anno/list_attr_img.txt", "image_name attribute_labels", ITEMS),
        ("Anno/list_bbox.txt", "image_name x_1 y_1 x_2 y_2", ITEMS),
        ("Eval/list_eval_partition.txt", "image_name evaluation_status", ITEMS),
    ],
)
def test_counts_and_headers(written: Path, name: str, header: str, count: int) -> None:
    stated, found, rows = lines(written / name)
    assert stated == len(rows) == count
    assert found == header.split()


def test_label_names_and_types() -> None:
    assert len({name for name, _ in CATEGORIES}) == 50
    assert {kind for _, kind in CATEGORIES} == {1, 2, 3}
    names = attribute_names()
    assert len({name for name, _ in names}) == 1000
    for kind, count in ATTRIBUTE_TYPES.items():
        assert sum(found == kind for _, found in names) == count
    assert [kind for _, kind in names] == sorted(kind for _, kind in names)


def test_rows_name_the_same_images_and_they_exist(written: Path) -> None:
    order = [row[0] for row in lines(written / "Anno/list_category_img.txt")[2]]
    assert len(set(order)) == ITEMS
    for name in ("Anno/list_attr_img.txt", "Anno/list_bbox.txt", "Eval/list_eval_partition.txt"):
        assert [row[0] for row in lines(written / name)[2]] == order
    on_disk = {str(path.relative_to(written / "Img")) for path in (written / "Img").rglob("*.jpg")}
    assert on_disk == set(order)
    assert all(name.startswith("img/") and len(name.split("/")) == 3 for name in order)


def test_values_are_in_range(written: Path) -> None:
    assert {row[1] for row in lines(written / "Eval/list_eval_partition.txt")[2]} == {"train", "val", "test"}
    assert all(1 <= int(row[1]) <= 50 for row in lines(written / "Anno/list_category_img.txt")[2])
    for name, *box in lines(written / "Anno/list_bbox.txt")[2]:
        x1, y1, x2, y2 = map(int, box)
        with Image.open(written / "Img" / name) as image:
            width, height = image.size
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height == 96
        assert (x2 - x1) * (y2 - y1) < 0.9 * width * height


def test_some_images_lack_a_texture_and_the_labels_agree_with_the_names(written: Path) -> None:
    rows = lines(written / "Anno/list_attr_img.txt")[2]
    values = np.array([[int(value) for value in row[1:]] for row in rows])
    assert values.shape == (ITEMS, 1000)
    assert set(np.unique(values)) == {-1, 0, 1}
    textured = (values[:, : ATTRIBUTE_TYPES[1]] == 1).any(1)
    assert 0 < (~textured).sum() < ITEMS // 4
    for row, labels in zip(rows, values, strict=True):
        for place in np.flatnonzero(labels[: ATTRIBUTE_TYPES[1]] == 1):
            assert list(TEXTURES)[place].title().replace(" ", "_") in row[0]


def test_there_are_near_duplicates_to_clean(written: Path) -> None:
    paths = sorted((written / "Img").rglob("*.jpg"))
    hashes = np.array([imagehash.phash(Image.open(path)).hash.ravel() for path in paths])
    apart = (hashes[:, None] != hashes[None]).sum(2)
    np.fill_diagonal(apart, 64)
    near = np.argwhere(apart <= 4)
    assert len(near) >= 2
    for first, second in near:
        assert paths[first].read_bytes() != paths[second].read_bytes()


def test_the_seed_decides_everything(tmp_path: Path, written: Path) -> None:
    write_deepfashion(tmp_path / "few", items=12, seed=3, size=96)
    for path in (tmp_path / "few" / "Img").rglob("*.jpg"):
        assert path.read_bytes() == (written / path.relative_to(tmp_path / "few")).read_bytes()
    write_deepfashion(tmp_path / "other", items=12, seed=4, size=96)
    first, other = ((tmp_path / name / "Anno/list_bbox.txt").read_text() for name in ("few", "other"))
    assert first != other


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        write_deepfashion(tmp_path, items=2, size=32)
    with pytest.raises(UserError, match="not an empty folder"):
        write_deepfashion(tmp_path / "mine.txt", items=2, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    write_deepfashion(tmp_path / "here", items=2, size=32)
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"Anno", "Eval", "Img"}


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(standin, "write_lists", full)
    with pytest.raises(UserError, match="disk is full"):
        write_deepfashion(tmp_path / "new", items=2, size=32)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{"items": 0}, {"size": 8}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match="cannot draw"):
        write_deepfashion(tmp_path / "new", **settings)
