"""Reading interactions, joining them to a catalog, and storing them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elliot_advrec.data.folds import Treatment
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.matrices import build_folds
from elliot_advrec.data.prefilters import Prefilter
from elliot_advrec.data.splitting.settings import FixedFiles, Splitting
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError

LEAVE_ONE = {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
COLUMNS = ["user", "item", "rating", "timestamp"]


def build(*given: Any, **how: Any) -> Interactions:
    """The one fold of a splitting without folds."""
    [[found]] = build_folds(*given, **how)
    return found


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
        ("a\tx\t1\t5\nb\ty\t\t6\n", "line 2: rating '' is not a number"),
        ("a\tx\t1\t5\nb\ty\t1\t\n", "line 2: timestamp '' is not a number"),
        ("a\tx\tinf\t5\n", "line 1: rating 'inf' is not a number"),
        ("a\tx\t1\tlater\n", "line 1: timestamp 'later' is not a number"),
        ("a\tx\t1\t5.5\n", "line 1: timestamp '5.5' is not a whole number"),
        ("a\tx\t1\t1e300\n", "line 1: timestamp '1e300' is not a whole number"),
        ("a\tx\t1\t99999999999999999999\n", "line 1: timestamp '99999999999999999999' is not a whole number"),
        ("a\tx\t1\r\n\t\t\r\n\r\nb\ty\tgood\r\n", "line 4: rating 'good' is not a number"),
        ("a\tx\t1\nb\ty\t1\t2\t3\t4\n", "line 2: 6 columns where the first line has 3"),
        ("a\tx\t1\t5\n\ty\t1\t6\n", "line 2: no user"),
        ("a\tx\t1\t5\nb\t\t1\t6\n", "line 2: no item"),
        ("a,x,1,5\n", "line 1: 1 columns"),
        ("user\trating\na\t5\n", "line 1: missing column 'item'"),
        ("user\titem\trating\trating\na\tx\t5\t5\n", "named twice"),
        ("user\titem\trating\n", "holds no interactions"),
        ("", "holds no interactions"),
    ],
)
def test_read_names_the_line_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(write(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "x.tsv"))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a\tx\nb\ty\n", COLUMNS[:3]),
        ("a\tx\t\nb\ty\t\n", COLUMNS[:3]),
        ("a\tx\t\t5\nb\ty\t\t6\n", COLUMNS),
        ("user\titem\ttimestamp\na\tx\t5\nb\ty\t6\n", COLUMNS),
    ],
    ids=["two columns", "empty cells", "empty cells before times", "header"],
)
def test_a_file_without_ratings_is_all_ones_with_a_note_as_in_elliot(
    tmp_path: Path, text: str, columns: list[str]
) -> None:
    path = write(tmp_path, text + text.replace("x", "z").replace("y", "w").split("\n", "user" in text)[-1])
    frame = read(path)
    assert list(frame) == columns
    assert frame["rating"].isna().all()
    built = build(path, catalog(*"wxyz"), LEAVE_ONE)
    assert {*built.train.data, *built.test.data} == {1.0}
    assert f"{path}: every rating was taken as 1, as in Elliot, for it has none" in built.notes
    for strategy in ({"strategy": "user_average"}, {"strategy": "global_threshold", "threshold": 1}):
        treated = Treatment(filters=[Prefilter(**strategy)])
        with pytest.raises(
            UserError, match=f"'{strategy['strategy']}' filters by ratings, and the file has none"
        ):
            build(path, catalog(*"wxyz"), LEAVE_ONE, treatment=treated)
    by_rows = Treatment(filters=[Prefilter(strategy="user_k_core", core=2)])
    assert build(path, catalog(*"wxyz"), LEAVE_ONE, treatment=by_rows).train.nnz == 2


def test_ids_that_pandas_would_read_otherwise_stay_as_they_are(tmp_path: Path) -> None:
    rows = [["007", "NA", 1.0], ["1e5", "null", 2.0], ["nan", '"q', 3.0], ["-0", "True", 4.0]]
    path = write(tmp_path, "".join(f"{u}\t {i} \t{r}\n" for u, i, r in rows))
    assert read(path).to_numpy().tolist() == rows


def test_a_clean_file_and_one_with_a_blank_line_are_read_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [
        f"{u}\ti{i}\t{r!r}\t{t}\n"
        for u, i, r, t in zip(
            random.integers(0, 99, 500).tolist(), random.integers(0, 99, 500).tolist(),
            random.normal(size=500).tolist(), random.integers(-(2**62), 2**62, 500).tolist(), strict=True,
        )
    ]  # fmt: skip
    quick, careful = read(write(tmp_path, "".join(lines))), read(write(tmp_path, "\t\t\t\n".join(lines)))
    pd.testing.assert_frame_equal(quick, careful, check_exact=True)
    assert quick["timestamp"].tolist() == [int(line.split("\t")[3]) for line in lines]


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
    assert built.notes in ([], ["1 items of the test have no training row left"])


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


def test_a_file_of_elliots_keeps_repeats_as_elliot_does(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tx\t1\na\ty\t2\na\tx\t5\na\tx\t4\n")
    cross = {"test_splitting": {"strategy": "random_cross_validation", "folds": 2}}
    folds = build_folds(path, catalog("x", "y"), cross)
    # Rows are dealt out in turn: x 1 and x 5 to the first fold, y 2 and x 4 to the second.
    found = [[getattr(fold[0], part).toarray().tolist() for part in ("train", "test")] for fold in folds]
    assert found == [[[[4.0, 2.0]], [[5.0, 0.0]]], [[[5.0, 0.0]], [[4.0, 2.0]]]]
    note = f"{path}: 2 repeats of a (user, item) are split as they stand, as in Elliot; of those in one part"
    assert any(said.startswith(note) for said in folds[0][0].notes)
    core = Treatment(filters=[Prefilter(strategy="item_k_core", core=3)])
    kept = build_folds(path, catalog("x", "y"), cross, treatment=core)
    assert kept[0][0].train.nnz == 1


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
        test_path=write(
            tmp_path, "a\tz\t1\t3\na\ty\t1\t3\ncold\tz\t1\t3\nb\tz\t1\t1\nb\ty\t1\t1\n", "test.tsv"
        ),
    )
    ids = ["x", "y", "z"]
    built = build(None, catalog(*ids), files)
    assert built.users == ["a", "b"]
    assert pairs(built.train, built, ids) == {("a", "x"), ("b", "y")}
    assert built.validation is not None
    assert pairs(built.validation, built, ids) == {("a", "y")}
    # "cold" has no training row; "a y" is validation too, and "b y" a training row.
    assert pairs(built.test, built, ids) == {("a", "z"), ("a", "y"), ("b", "z"), ("b", "y")}
    assert any("1 users without training rows" in note for note in built.notes)
    [leaked] = [note for note in built.notes if "training rows as well" in note]
    assert leaked.startswith(f"{files.test_path}: 1 rows are training rows as well; as in Elliot they count")


def test_ratings_that_the_training_file_lacks_are_ones_everywhere_as_in_elliot(tmp_path: Path) -> None:
    def built(train: str, test: str) -> Interactions:
        files = FixedFiles(
            train_path=write(tmp_path, train, "train.tsv"), test_path=write(tmp_path, test, "test.tsv")
        )
        return build(None, catalog("x", "y"), files)

    bare = built("a\tx\n", "a\ty\t5\n")
    assert (bare.train.data.tolist(), bare.test.data.tolist()) == ([1.0], [1.0])
    note = f"every rating was taken as 1, as in Elliot, for {tmp_path / 'train.tsv'} has none"
    assert f"{tmp_path / 'test.tsv'}: {note}" in bare.notes
    rated = built("a\tx\t4\n", "a\ty\n")
    assert (rated.train.data.tolist(), rated.test.data.tolist()) == ([4.0], [1.0])


def test_fixed_files_of_strangers_are_refused(tmp_path: Path) -> None:
    train = write(tmp_path, "a\tx\t1\t1\n", "train.tsv")
    test = write(tmp_path, "b\tx\t1\t1\n", "test.tsv")
    with pytest.raises(UserError, match=r"test.tsv: no row is left to evaluate"):
        build(None, catalog("x"), FixedFiles(train_path=train, test_path=test))
    for path in (train, test):
        path.write_text("a\tx\t1\t1\n")
    with pytest.raises(UserError, match=r"test.tsv: every row is a training row as well, so nothing can be"):
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
