"""Lists from files: what is read, what is refused, and Elliot's order of truncation and masking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.given import GivenLists, arrange, read_lists

USERS, ITEMS = ["u", "v", "w"], ["a", "b", "c", "d"]
TRAIN = csr_matrix(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.0]]))


def written(folder: Path, text: str) -> Path:
    path = folder / "lists.tsv"
    path.write_text(text, "utf-8")
    return path


def arranged(folder: Path, text: str, length: int = 3, **more: csr_matrix) -> GivenLists:
    return arrange(read_lists(written(folder, text)), USERS, ITEMS, TRAIN, length, **more)  # type: ignore[arg-type]


def test_rows_are_ordered_by_score_and_equal_ones_as_they_stand(tmp_path: Path) -> None:
    found = arranged(tmp_path, "v\td\t1\nu\tb\t0.5\nu\tc\t7e1\nv\tc\t1\nv\ta\t1.0\n")
    assert found.users.tolist() == [0, 1]
    assert found.lists.tolist() == [[2, 1, -1], [3, 2, 0]]
    assert (found.dropped, found.repeated) == (0, 0)


def test_a_list_is_cut_before_what_was_seen_is_left_out(tmp_path: Path) -> None:
    # Of u's best three, a was seen and x is unknown: d, the fourth, does not move up.
    found = arranged(tmp_path, "u\ta\t9\nu\tb\t8\nu\tx\t7\nu\td\t6\nw\tc\t1\n")
    assert found.lists.tolist() == [[1, -1, -1], [-1, -1, -1]]
    assert found.users.tolist() == [0, 2], "a user whose rows were all left out keeps an empty list"
    assert found.dropped == 3


def test_candidates_are_all_that_counts(tmp_path: Path) -> None:
    candidates = csr_matrix(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    found = arranged(tmp_path, "u\ta\t9\nu\tb\t8\nu\tc\t7\n", candidates=candidates)
    assert found.lists.tolist() == [[0, 2, -1]], "a is a candidate though it was seen"


def test_repetitions_are_kept_and_counted(tmp_path: Path) -> None:
    found = arranged(tmp_path, "u\tb\t9\nu\tb\t8\nu\tc\t7\nv\ta\t1\n")
    assert found.lists.tolist() == [[1, 1, 2], [0, -1, -1]]
    assert found.repeated == 1


def test_ids_are_text_and_masked_items_may_have_no_finite_score(tmp_path: Path) -> None:
    table = read_lists(written(tmp_path, '\n007\tNA\t-inf\n\n1\t"x\t3\n'))
    assert table.to_numpy().tolist() == [["007", "NA", -np.inf], ["1", '"x', 3.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no lists; a row is user, item and score"),
        ("\n\n", "holds no lists"),
        ("u\ta\t1\nu\tb\n", "line 2: no score"),
        ("u\ta\t1\n\t\t\n\tb\t2\n", "line 3: no user"),
        ("u\ta\t1\n\nu\tb\tmuch\n", "line 3: score 'much' is not a number"),
        ("u\ta\t1\nu\tb\tnan\n", "line 2: score 'nan' is not a number"),
        ("u\ta\t1\nu\tb\t1\tc\td\te\n", "is not a table .*line 2"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_lists(written(tmp_path, text))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.tsv: cannot be read"):
        read_lists(tmp_path / "none.tsv")
    (tmp_path / "bytes.tsv").write_bytes(b"u\t\xff\xfe\t1\n")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        read_lists(tmp_path / "bytes.tsv")


def test_lists_of_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lists: user 'ww' is not in training; did you mean 'w'"):
        arranged(tmp_path, "u\tb\t1\nww\tb\t1\n")
    with pytest.raises(UserError, match=r"no item of it is known; the first is 'B'; ids must be .* as 'a'"):
        arranged(tmp_path, "u\tB\t1\nv\tC\t1\n")
