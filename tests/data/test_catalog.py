"""The catalog checks itself, keeps its parts together, and survives the disk."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pictures import FilePicture, FilePictures
from elliot_advrec.errors import UserError


def make(n: int = 6) -> Catalog:
    return Catalog(
        ids=[f"i{row}" for row in range(n)],
        category=np.arange(n) % 3 - 1,
        categories=["shoe", "hat"],
        attributes=sp.csr_matrix(np.eye(n, 4, dtype=bool)),
        attribute_names=["a", "b", "c", "d"],
        split=np.array(["train", "validation", "test"] * 2)[:n],
        pictures=[FilePicture(f"/p/{row}.png") for row in range(n)],
        taste=np.arange(2.0 * n).reshape(n, 2),
        notes=["one"],
    )


def test_keep_moves_every_part_together() -> None:
    kept = make().keep([4, 1], "two left")
    assert kept.ids == ["i4", "i1"]
    assert kept.category.tolist() == [0, 0]
    assert kept.split.tolist() == ["validation", "validation"]
    assert [picture.path for picture in kept.pictures] == ["/p/4.png", "/p/1.png"]
    assert kept.attributes.toarray().tolist() == np.eye(6, 4, dtype=bool)[[4, 1]].tolist()
    assert kept.taste.tolist() == [[8, 9], [2, 3]]
    assert kept.notes == ["one", "two left"]
    assert make().notes == ["one"]


def test_keep_takes_a_mask_and_can_be_repeated() -> None:
    kept = make().keep(np.arange(6) % 2 == 0).keep([2, 0])
    assert kept.ids == ["i4", "i0"]
    assert kept.pictures[0].path == "/p/4.png"
    assert [picture.path for picture in kept.pictures[0:2]] == ["/p/4.png", "/p/0.png"]


def test_rows_of() -> None:
    assert make().rows_of("test").tolist() == [2, 5]
    with pytest.raises(ValueError, match="split must be one of train, validation, test, got 'dev'"):
        make().rows_of("dev")


def test_saved_and_loaded(tmp_path: Path) -> None:
    make().save(tmp_path)
    back, made = Catalog.load(tmp_path), make()
    assert (back.ids, back.categories, back.attribute_names, back.notes) == (
        made.ids,
        made.categories,
        made.attribute_names,
        made.notes,
    )
    np.testing.assert_array_equal(back.category, made.category)
    np.testing.assert_array_equal(back.split, made.split)
    np.testing.assert_array_equal(back.taste, made.taste)
    assert (back.attributes != made.attributes).nnz == 0
    assert back.attributes.dtype == bool
    assert len(back.pictures) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog.json", "catalog.npz"]


def test_saved_without_labels(tmp_path: Path) -> None:
    bare = replace(
        make(), attributes=None, attribute_names=[], taste=None, categories=[], category=np.full(6, -1)
    )
    bare.save(tmp_path)
    back = Catalog.load(tmp_path)
    assert back.attributes is None
    assert back.taste is None


def test_damaged_catalog_is_named(tmp_path: Path) -> None:
    make().save(tmp_path)
    (tmp_path / "catalog.npz").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match="the saved catalog cannot be read"):
        Catalog.load(tmp_path)
    with pytest.raises(UserError, match="the saved catalog cannot be read"):
        Catalog.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ["i0"] * 6}, "item ids must be unique, 'i0' comes twice"),
        ({"category": np.zeros(5, int)}, "category has 5 entries for 6 items"),
        ({"category": np.full(6, 2)}, r"category must lie in \[-1, 2\)"),
        ({"category": np.full(6, -2)}, r"category must lie in \[-1, 2\)"),
        ({"split": np.array(["dev"] * 6)}, "split must be one of"),
        ({"pictures": [FilePicture("a.png")]}, "there are 1 pictures for 6 items"),
        ({"attributes": sp.csr_matrix((6, 3), dtype=bool)}, r"attributes must be \(6, 4\), got \(6, 3\)"),
        ({"taste": np.zeros((5, 2))}, "taste has 5 rows for 6 items"),
    ],
)
def test_parts_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(make(), **change)


def test_file_pictures_carry_their_boxes() -> None:
    pictures = FilePictures(Path("/pictures"), ["a.png", "b/c.png"], np.array([[0, 1, 2, 3], [4, 5, 6, 7]]))
    assert pictures[1] == FilePicture("/pictures/b/c.png", (4, 5, 6, 7))
    assert pictures[0:2] == [pictures[0], pictures[1]]
    assert list(pickle.loads(pickle.dumps(pictures))) == list(pictures)
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\), got \(1, 4\)"):
        FilePictures(Path("/pictures"), ["a.png", "b.png"], np.zeros((1, 4)))
