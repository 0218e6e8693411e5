"""Features on disk in four forms: the same rows for the same items, and every way they can be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elliot_advrec.data.features import Manifest, open_features, read_matrix
from elliot_advrec.data.features.base import BLOCK
from elliot_advrec.data.features.vbpr_binary import DIM, RECORD
from elliot_advrec.errors import UserError

IDS = ["7", "0012", "x", "3"]
WANTED = ["x", "9", "7", "3"]
VALUES = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def npy(root: Path, values: np.ndarray = VALUES, **manifest: Any) -> Path:
    np.save(root / "f.npy", values)
    Manifest(**{"ids": IDS, "dim": 6} | manifest).save(root / "f.json")
    return root / "f.npy"


def npz(root: Path, **arrays: Any) -> Path:
    np.savez(root / "f.npz", **{"features": VALUES, "ids": np.array(IDS)} | arrays)
    return root / "f.npz"


def folder(root: Path) -> Path:
    (root / "features").mkdir()
    for number, row in enumerate(VALUES):
        np.save(root / "features" / f"{number}.npy", row)
    (root / "items.tsv").write_text("".join(f"{item}\t{number}\n" for number, item in enumerate(IDS)))
    return root / "features"


def binary(root: Path, ids: list[str] = IDS, values: np.ndarray = VALUES) -> Path:
    records = np.zeros(len(ids), RECORD)
    records["id"] = [item.ljust(10).encode() for item in ids]
    records["features"][:, :6] = values
    records.tofile(root / "image_features_x.b")
    return root / "image_features_x.b"


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("write", [npy, npz, folder, binary])
def test_every_form_gives_the_rows_of_the_items_asked_for(tmp_path: Path, write: Any, into: bool) -> None:
    file = open_features(write(tmp_path))
    (tmp_path / "new").mkdir()
    target = tmp_path / "new" / "f.npy" if into else None
    found = read_matrix(file, WANTED, into=target)
    assert found.rows.tolist() == [0, 2, 3]
    assert found.values.dtype == np.float32
    assert (found.values[:, :6] == VALUES[[2, 0, 3]]).all()
    assert found.values.shape == (3, file.dim)
    assert isinstance(found.values, np.memmap) == into
    notes = "\n".join(found.notes)
    assert "1 of 4 items have no features (first: '9') and were left out" in notes
    assert "features of 1 items that the catalog lacks were not read" in notes
    if target is not None:
        again = open_features(target)
        assert list(again.ids) == ["x", "7", "3"]
        assert (read_matrix(again, ["3"]).values == found.values[2:]).all()


def test_large_files_are_read_in_blocks(tmp_path: Path) -> None:
    count = 2 * BLOCK + 7
    values = np.random.default_rng(1).normal(size=(count, 3)).astype(np.float64)
    ids = [f"i{row}" for row in range(count)]
    np.save(tmp_path / "f.npy", values)
    Manifest(ids=ids, dim=3).save(tmp_path / "f.json")
    order = np.random.default_rng(2).permutation(count)
    wanted = [ids[row] for row in order]
    file = open_features(tmp_path / "f.npy")
    held = read_matrix(file, wanted).values
    mapped = read_matrix(file, wanted, into=tmp_path / "g.npy").values
    assert (held == values[order].astype(np.float32)).all()
    assert (mapped == held).all()


def test_rows_may_be_the_items_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "f_resnet.npy", VALUES)
    with pytest.raises(UserError, match="the manifest that names the items cannot be read"):
        open_features(tmp_path / "f_resnet.npy")
    assert open_features(tmp_path / "f_resnet.npy", numbered=True).ids == ["0", "1", "2", "3"]
    assert open_features(npy(tmp_path), numbered=True).ids == IDS


def test_elliots_folder_without_a_table_has_numbers_as_ids(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (tmp_path / "items.tsv").unlink()
    assert open_features(path).ids == ["0", "1", "2", "3"]


def test_the_numbers_of_elliots_folder_are_the_ids_where_elliot_reads_it(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (tmp_path / "features.json").write_text("of other features")
    assert open_features(path, numbered=True).ids == ["0", "1", "2", "3"]


def test_items_of_elliots_folder_may_be_called_anything(tmp_path: Path) -> None:
    path = folder(tmp_path)
    odd = ["../../x", 'a"b', "'; DROP", "é"]
    pd.DataFrame({"item": odd, "number": range(4)}).to_csv(
        tmp_path / "items.tsv", sep="\t", header=False, index=False
    )
    found = read_matrix(open_features(path), odd)
    assert (found.values == VALUES).all()
    assert not found.notes


@pytest.mark.parametrize("manifest", [{"dim": 5}, {"ids": ["7", "0012", "x", "4"]}, {"ids": IDS[:3]}])
def test_a_manifest_of_other_features_is_refused(tmp_path: Path, manifest: dict[str, Any]) -> None:
    path = folder(tmp_path)
    Manifest(**{"ids": IDS, "dim": 6} | manifest).save(tmp_path / "features.json")
    with pytest.raises(UserError, match=r"features.json: the manifest is of other features: . items x ."):
        open_features(path)


def test_another_extractor_is_refused(tmp_path: Path) -> None:
    for path in (npy(tmp_path, extractor="a" * 64), npz(tmp_path, extractor="a" * 64)):
        file = open_features(path)
        assert read_matrix(file, IDS, extractor="a" * 64).notes == []
        with pytest.raises(UserError, match="another extractor \\(aaaaaaaaaaaa, expected bbbbbbbbbbbb\\)"):
            read_matrix(file, IDS, extractor="b" * 64)
    Manifest(ids=IDS, dim=6, extractor="c" * 64).save(tmp_path / "features.json")
    assert open_features(folder(tmp_path)).extractor == "c" * 64


def test_strict_refuses_missing_items(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 4 items have no features \(first: '9'\); extract them"):
        read_matrix(open_features(npy(tmp_path)), WANTED, strict=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("into", [False, True])
def test_nan_and_infinity_name_the_item(tmp_path: Path, bad: float, into: bool) -> None:
    values = VALUES.copy()
    values[1, 3] = bad
    for path in (npy(tmp_path, values), binary(tmp_path, values=values)):
        file = open_features(path)
        with pytest.raises(UserError, match="item '0012' hold NaN or infinity"):
            read_matrix(file, IDS, into=tmp_path / "out.npy" if into else None)
        assert not (tmp_path / "out.npy").exists()
        assert read_matrix(file, ["x"]).rows.tolist() == [0]


def test_no_item_in_common_shows_both_kinds_of_ids(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its ids look like 'B001', the file's like '7'"):
        read_matrix(open_features(npy(tmp_path)), ["B001"])
    with pytest.raises(UserError, match="its ids look like none"):
        read_matrix(open_features(npy(tmp_path)), [])


ARRAYS = [
    (VALUES[:3], {}, "the matrix is 3 x 6, its ids say 4 x 6"),
    (VALUES[:, :5], {}, "the matrix is 4 x 5, its ids say 4 x 6"),
    (VALUES[0], {}, "must be a matrix of numbers"),
    (np.array([["a"]]), {}, "must be a matrix of numbers"),
    (np.empty((0, 6)), {"ids": []}, "must be a matrix of numbers"),
    (VALUES, {"ids": ["a", "b", "a", "c"]}, "the item 'a' is there twice, as rows 0 and 2"),
    (VALUES, {"format": "other 1"}, "of the form 'other 1'"),
]


@pytest.mark.parametrize(("values", "manifest", "words"), ARRAYS)
def test_bad_arrays_are_named(
    tmp_path: Path, values: np.ndarray, manifest: dict[str, Any], words: str
) -> None:
    path = npy(tmp_path, values, **manifest)
    with pytest.raises(UserError, match=words):
        open_features(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ('{"dim": 3}', "'ids' is missing"), ('{"ids": [], "dim": 0}', "dim")],
)
def test_bad_manifests_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = npy(tmp_path)
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(UserError, match=f"f.json.*{words}"):
        open_features(path)


def test_damaged_and_pickled_files_are_named(tmp_path: Path) -> None:
    path = npy(tmp_path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match="cannot be read as an array"):
        open_features(path)
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read as an array"):
        open_features(path)
    (tmp_path / "f.npz").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(UserError, match="cannot be read as an archive"):
        open_features(tmp_path / "f.npz")
    (tmp_path / "f.txt").write_text("x")
    with pytest.raises(UserError, match=r"features in a '\.txt' file are not known"):
        open_features(tmp_path / "f.txt")
    with pytest.raises(UserError, match="no such file"):
        open_features(tmp_path / "none.npy")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"ids": np.array(["a", "a", "b", "c"])}, "'a' is there twice"),
        ({"ids": np.array([1.0, 2, 3, 4])}, "must be one row of text or whole numbers, got float64"),
        ({"ids": np.array(["a"])}, "its ids say 1 x 6"),
        ({"features": VALUES[0]}, "must be a matrix"),
    ],
)
def test_bad_archives_are_named(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_features(npz(tmp_path, **arrays))


def test_an_archive_lacks_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", features=VALUES)
    with pytest.raises(UserError, match="the array 'ids' is missing; it holds features"):
        open_features(tmp_path / "f.npz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("B0001.npy", "'B0001.npy' is not called by a whole number"),
        ("1.5.npy", "are the same item 1"),
        ("01.npy", "are the same item 1"),
        ("5.txt", "is not called by a whole number"),
        ("-1.npy", "is not called by a whole number"),
        ("4.npy", "it names no item for the number 4"),
    ],
)
def test_names_that_elliot_cannot_read_are_refused(tmp_path: Path, name: str, words: str) -> None:
    path = folder(tmp_path)
    np.save(path / "new", VALUES[0])
    os.rename(path / "new.npy", path / name)
    with pytest.raises(UserError, match=words):
        open_features(path)


def test_bad_folders_are_named(tmp_path: Path) -> None:
    path = folder(tmp_path)
    np.save(path / "2.npy", VALUES[0, :4])
    with pytest.raises(UserError, match=r"2\.npy: holds 4 numbers, the first file of the folder 6"):
        read_matrix(open_features(path), IDS)
    (path / "2.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"2\.npy: cannot be read as an array"):
        read_matrix(open_features(path), IDS)
    np.save(path / "0.npy", VALUES)
    with pytest.raises(UserError, match=r"0\.npy: must hold one row of numbers"):
        open_features(path)
    (tmp_path / "items.tsv").write_text("a\tb\n")
    np.save(path / "0.npy", VALUES[0])
    with pytest.raises(UserError, match="cannot be read as lines of item and number"):
        open_features(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="the folder is empty"):
        open_features(tmp_path / "empty")


def test_binary_features_are_the_published_form(tmp_path: Path) -> None:
    path = binary(tmp_path)
    data = path.read_bytes()
    assert len(data) == 4 * (10 + 4 * 4096)
    assert data[:10] == b"7         "
    assert np.frombuffer(data[10:34], "<f4").tolist() == VALUES[0].tolist()
    assert open_features(path).dim == DIM


def test_a_cut_off_binary_file_names_its_byte(tmp_path: Path) -> None:
    path = binary(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    expected = (
        f"the record at byte {3 * RECORD.itemsize} has {RECORD.itemsize - 1} of {RECORD.itemsize} bytes"
    )
    with pytest.raises(UserError, match=expected):
        open_features(path)


def test_bad_binary_files_are_named(tmp_path: Path) -> None:
    path = binary(tmp_path, ["7", "x", "7", "3"])
    file = open_features(path)
    assert file.ids == ["7", "x", "3"]
    assert (read_matrix(file, ["3", "7"]).values[:, :6] == VALUES[[3, 0]]).all()
    assert "1 rows repeat an earlier item; the first counts" in file.notes[0]
    data = bytearray(path.read_bytes())
    data[RECORD.itemsize] = 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"the id at byte {RECORD.itemsize} is not text"):
        open_features(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="the file is empty"):
        open_features(path)
    path.write_bytes(b"\x1f\x8b" + b"\0" * (RECORD.itemsize - 2))
    with pytest.raises(UserError, match="is compressed; unpack it first"):
        open_features(path)


def test_the_manifest_says_what_the_matrix_is(tmp_path: Path) -> None:
    Manifest(ids=["a"], dim=2, extractor="d", image_size=96, source={"recipe": "r"}).save(tmp_path / "f.json")
    found = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert found == {
        "format": "elliot_advrec features 1", "ids": ["a"], "dim": 2, "extractor": "d", "image_size": 96,
        "normalised": False, "source": {"recipe": "r"},
    }  # fmt: skip
