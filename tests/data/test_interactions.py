"""Reading interactions, joining them to a catalog, and storing them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elliot_advrec.data.interactions import Interactions, build, read
from elliot_advrec.data.splits import FixedFiles, Splitting
from elliot_advrec.errors import UserError

LEAVE_ONE = {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
COLUMNS = ["user", "item", "rating", "timestamp"]


def catalog(*ids: str) -> Any:
    return SimpleNamespace(ids=list(ids))


def table(*rows: tuple[object, ...]) -> pd.DataFrame:
    full = [(*row, 1, 0) if len(row) == 2 else (*row, 0) for row in rows]
    return pd.DataFrame(full, columns=COLUMNS)


def write(folder: Path, text: str, name: str = "x.tsv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def pairs(matrix: Any, built: Interactions, ids: list[str]) -> set[tuple[str, str]]:
    coo = matrix.tocoo()
    return {(built.users[u], ids[i]) for u, i in zip(coo.row, coo.col, strict=True)}


@pytest.mark.parametrize(
    "text",
    [
        "007\tx\t4\t10\nb\ty\t2.5\t20\n",
        "\n007\tx\t4\t10\r\n\r\nb\ty\t2.5\t20",
        "\ufeffuserId\titemId\trating\ttimestamp\n007\tx\t4\t10\nb\ty\t2.5\t20\n",
        "item\trating\ttimestamp\tuser\nx\t4\t10\t007\ny\t2.5\t20\tb\n",
    ],
    ids=["plain", "blank lines and CRLF", "Elliot's header", "header in another order"],
)
def test_read_accepts_what_elliot_writes_and_a_header(tmp_path: Path, text: str) -> None:
    frame = read(write(tmp_path, text))[COLUMNS]
    assert frame.to_numpy().tolist() == [["007", "x", 4.0, 10], ["b", "y", 2.5, 20]]
    assert frame["timestamp"].dtype == np.int64


def test_read_does_without_timestamps(tmp_path: Path) -> None:
    assert list(read(write(tmp_path, "a\tx\t1\nb\ty\t1\n"))) == COLUMNS[:3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tx\t1\t5\nb\ty\t1\n", "line 2: 3 columns where the first line has 4"),
        ("a\tx\t1\t5\n\nb\ty\tgood\t6\n", "line 3: rating 'good' is not a number"),
        ("a\tx\tnan\t5\n", "line 1: rating 'nan' is not a number"),
        ("a\tx\t\t5\n", "line 1: rating '' is not a number"),
        ("a\tx\tinf\t5\n", "line 1: rating 'inf' is not a number"),
        ("a\tx\t1\tlater\n", "line 1: timestamp 'later' is not a number"),
        ("a\tx\t1\t5\n\ty\t1\t6\n", "line 2: no user"),
        ("a\tx\t1\t5\nb\t\t1\t6\n", "line 2: no item"),
        ("a,x,1,5\n", "line 1: 1 columns"),
        ("user\titem\ttimestamp\na\tx\t5\n", "line 1: missing column 'rating'"),
        ("user\titem\trating\trating\na\tx\t5\t5\n", "named twice"),
        ("user\titem\trating\n", "holds no interactions"),
        ("", "holds no interactions"),
    ],
)
def test_read_names_the_line_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(write(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "x.tsv"))


def test_read_refuses_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "none.tsv")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UserError, match="not UTF-8"):
        read(tmp_path / "bytes")


def test_build_maps_ids_to_catalog_rows_and_users_to_their_order_in_training() -> None:
    frame = table((7, 12, 3), (7, 10, 0), (3, 10, 5), (3, 12, 4))
    built = build(frame, catalog("10", "11", "12"), LEAVE_ONE)
    assert sorted(built.users) == ["3", "7"]
    assert built.train.shape == built.test.shape == (2, 3)
    ids = ["10", "11", "12"]
    everything = {("7", "12"), ("7", "10"), ("3", "10"), ("3", "12")}
    train, test = pairs(built.train, built, ids), pairs(built.test, built, ids)
    assert train | test == everything
    assert not train & test
    assert built.validation is None
    assert built.notes == []


def test_a_rating_of_zero_is_an_interaction() -> None:
    built = build(table(("a", "x", 0), ("a", "y", 0)), catalog("x", "y"), LEAVE_ONE)
    assert built.train.nnz == built.test.nnz == 1


def test_unknown_items_are_dropped_with_a_note_or_refused() -> None:
    frame = table(("a", "x"), ("a", "y"), ("a", "gone"), ("b", "gone"))
    built = build(frame, catalog("x", "y"), LEAVE_ONE)
    assert built.users == ["a"]
    assert any("2 interactions with 1 items that the catalog lacks" in note for note in built.notes)
    with pytest.raises(UserError, match="the first 'gone'; add the items"):
        build(frame, catalog("x", "y"), LEAVE_ONE, strict=True)
    with pytest.raises(UserError, match=r"no interaction is with an item of the catalog.*'p'"):
        build(frame, catalog("p"), LEAVE_ONE)


def test_of_repeated_rows_the_last_counts() -> None:
    frame = table(("a", "x", 1), ("a", "y", 2), ("a", "x", 5))
    built = build(frame, catalog("x", "y"), LEAVE_ONE)
    ratings = {*built.train.data.tolist(), *built.test.data.tolist()}
    assert ratings == {2.0, 5.0}
    assert any("1 repeats" in note for note in built.notes)


def test_a_user_whose_rows_are_all_held_out_is_left_out_and_noted() -> None:
    frame = table(("a", "x"), ("b", "x"), ("b", "y"))
    built = build(frame, catalog("x", "y"), LEAVE_ONE)
    assert built.users == ["b"]
    assert built.test.nnz == 1
    assert "1 users have no training row left and are not evaluated for the test" in built.notes


def test_build_names_bad_rows_of_a_table() -> None:
    frame = table(("a", "x"), ("b", "y"))
    with pytest.raises(UserError, match="missing column 'rating'"):
        build(frame.drop(columns="rating"), catalog("x"), LEAVE_ONE)
    frame.loc[1, "rating"] = np.nan
    with pytest.raises(UserError, match="interactions, row 1: rating 'nan'"):
        build(frame, catalog("x"), LEAVE_ONE)
    with pytest.raises(UserError, match="no interactions to split; name a dataset_path"):
        build(None, catalog("x"), LEAVE_ONE)


def test_fixed_files_keep_their_split(tmp_path: Path) -> None:
    files = FixedFiles(
        train_path=write(tmp_path, "a\tx\t1\t1\nb\ty\t1\t1\n", "train.tsv"),
        validation_path=write(tmp_path, "a\ty\t1\t2\n", "val.tsv"),
        test_path=write(tmp_path, "a\tz\t1\t3\na\ty\t1\t3\ncold\tz\t1\t3\nb\tz\t1\t1\n", "test.tsv"),
    )
    ids = ["x", "y", "z"]
    built = build(None, catalog(*ids), files)
    assert built.users == ["a", "b"]
    assert pairs(built.train, built, ids) == {("a", "x"), ("b", "y")}
    assert built.validation is not None
    assert pairs(built.validation, built, ids) == {("a", "y")}
    # "a y" is validation already, and "cold" has no training row.
    assert pairs(built.test, built, ids) == {("a", "z"), ("b", "z")}
    assert any("1 users without training rows" in note for note in built.notes)
    assert any("1 rows that an earlier part already holds" in note for note in built.notes)


def test_fixed_files_of_strangers_are_refused(tmp_path: Path) -> None:
    train = write(tmp_path, "a\tx\t1\t1\n", "train.tsv")
    test = write(tmp_path, "b\tx\t1\t1\n", "test.tsv")
    with pytest.raises(UserError, match=r"test.tsv: no row is left to evaluate"):
        build(None, catalog("x"), FixedFiles(train_path=train, test_path=test))
    with pytest.raises(UserError, match="give only one of them"):
        build(train, catalog("x"), FixedFiles(train_path=train, test_path=test))


def test_saving_keeps_everything(tmp_path: Path) -> None:
    plan = {**LEAVE_ONE, "validation_splitting": LEAVE_ONE["test_splitting"]}
    frame = table(*[(f"ü{u}", str(i), i) for u in range(3) for i in range(4)])
    built = build(frame, catalog(*"0123"), plan, simulated=True)
    built.notes.append("a note")
    built.save(tmp_path)
    loaded = Interactions.load(tmp_path)
    assert (loaded.users, loaded.simulated, loaded.notes) == (built.users, True, built.notes)
    for part in ("train", "validation", "test"):
        ours, theirs = getattr(built, part), getattr(loaded, part)
        assert ours.shape == theirs.shape
        assert np.array_equal(ours.indices, theirs.indices)
        assert np.array_equal(ours.data, theirs.data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["interactions.json", "interactions.npz"]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read.*delete the folder"):
        Interactions.load(tmp_path)
    build(table(("a", "x"), ("a", "y")), catalog("x", "y"), LEAVE_ONE).save(tmp_path)
    whole = (tmp_path / "interactions.npz").read_bytes()
    for damaged in (b"not an archive", whole[: len(whole) // 2], b""):
        (tmp_path / "interactions.npz").write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            Interactions.load(tmp_path)


def test_the_split_is_written_where_the_recipe_says(tmp_path: Path) -> None:
    plan = Splitting.model_validate({**LEAVE_ONE, "save_on_disk": True, "save_folder": tmp_path / "s"})
    build(table(("a", "x"), ("a", "y")), catalog("x", "y"), plan)
    lines = [(tmp_path / "s" / "0" / name).read_text() for name in ("train.tsv", "test.tsv")]
    assert sorted(lines) == ["a\tx\t1\t0\n", "a\ty\t1\t0\n"]
