"""Negatives: never an item that the user has, always as many as asked for, read as Elliot writes them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.component import validate
from elliot_advrec.data.negative_draws import draw_absent
from elliot_advrec.data.negative_files import read_negatives, write_negatives
from elliot_advrec.data.negatives import Candidates, NegativeSampling, candidates
from elliot_advrec.data.private_ids import private_items, private_users
from elliot_advrec.data.splits import Split, split_folds
from elliot_advrec.data.splitting.settings import Splitting
from elliot_advrec.errors import UserError

LEAVE_ONE = {"strategy": "random_subsampling", "leave_n_out": 1}


def sampling(**keys: Any) -> NegativeSampling:
    return validate(NegativeSampling, keys, "negative_sampling")


def table(*pairs: tuple[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame([(str(u), str(i), 1.0) for u, i in pairs], columns=["user", "item", "rating"])


def interactions(users: int, items: int, seed: int = 0, prefix: str = "") -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    pairs = [(u, i) for u in range(users) for i in draw.choice(items, draw.integers(3, 7), replace=False)]
    return table(
        *[(f"{prefix}{pairs[k][0]}", f"{prefix}{pairs[k][1]}") for k in draw.permutation(len(pairs))]
    )


def names(made: Candidates, part: str, items: list[str]) -> dict[str, set[str]]:
    matrix = getattr(made, part)
    assert matrix.dtype == bool
    assert matrix.has_sorted_indices
    assert matrix.shape == (len(made.users), len(items))
    return {user: {items[c] for c in matrix[row].indices} for row, user in enumerate(made.users)}


def of(frame: pd.DataFrame | None) -> dict[str, set[str]]:
    return {} if frame is None else frame.groupby("user")["item"].agg(set).to_dict()


@settings(max_examples=60)
@given(
    known=st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=6),
    count=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_draws_are_those_of_sampling_from_each_list_of_absent_columns(
    known: list[list[bool]], count: int, seed: int
) -> None:
    known = [[*row[:6], False, False, False] for row in known]
    stream, expected = Random(seed), np.zeros((len(known), 9), bool)
    for row, flags in enumerate(known):
        absent = [column for column, flag in enumerate(flags) if not flag]
        expected[row, [absent[p] for p in stream.sample(range(len(absent)), count)]] = True
    drawn = draw_absent(csr_matrix(np.array(known)), count, Random(seed))
    assert np.array_equal(drawn.toarray(), expected)


@pytest.mark.parametrize("prefix", ["", "n"])
@pytest.mark.parametrize("nested", [False, True])
def test_candidates_are_the_held_out_items_and_as_many_new_ones(prefix: str, nested: bool) -> None:
    frame = interactions(12, 30, prefix=prefix)
    sections = {"test_splitting": {**LEAVE_ONE, "folds": 2}}
    if nested:
        sections["validation_splitting"] = {**LEAVE_ONE, "folds": 2}
    folds = split_folds(frame, validate(Splitting, sections, "splitting"))
    items = [*sorted(frame["item"].unique(), reverse=True), "never"]
    made = candidates(sampling(strategy="random", num_items=6), folds, items)
    assert [len(fold) for fold in made] == [2 if nested else 1] * 2
    drawn = []
    for fold, found in zip(folds, made, strict=True):
        for one, both in zip(fold, found, strict=True):
            pool = set(one.train["item"])
            parts = {"validation": of(one.validation), "test": of(one.test)}
            has = {user: set().union(*(p.get(user, set()) for p in (*parts.values(), of(one.train))))
                   for user in both.users}  # fmt: skip
            assert both.users == private_users(one.train)
            assert (both.validation is None) == (not nested)
            for part in ("validation", "test") if nested else ("test",):
                for user, listed in names(both, part, items).items():
                    held = parts[part].get(user, set()) & pool
                    assert held <= listed
                    negatives = listed - held
                    assert len(negatives) == 6
                    assert not negatives & has[user]
                    assert negatives <= pool
                    drawn.append(frozenset(negatives))
    assert len(set(drawn)) > len(drawn) * 0.9  # one stream: parts and folds differ
    again = candidates(sampling(strategy="random", num_items=6), folds, items)
    assert (again[1][0].test != made[1][0].test).nnz == 0


def test_absent_items_are_drawn_evenly() -> None:
    users = 4000
    train = table(*[(u, i) for u in range(users) for i in (u % 10, (u + 1) % 10)])
    test = table(*[(u, (u + 2) % 10) for u in range(users)])
    items = [str(i) for i in range(10)]
    three = sampling(strategy="random", num_items=3)
    ((made,),) = candidates(three, [[Split(train, None, test, [])]], items)
    drawn = Counter()
    for user, listed in names(made, "test", items).items():
        drawn.update((int(i) - int(user)) % 10 for i in listed)
    assert drawn.pop(2) == users
    # Each of the 7 others with probability 3/7: five standard deviations.
    assert set(drawn) == set(range(3, 10))
    assert all(abs(n - users * 3 / 7) < 5 * (users * 12 / 49) ** 0.5 for n in drawn.values())


def test_too_few_items_are_refused() -> None:
    one_each = sampling(strategy="random", num_items=1)
    one = Split(table((1, 1), (2, 2), (1, 3)), None, table((1, 2)), [])
    with pytest.raises(UserError, match="num_items is 1, and user '1' has no row of only 0 items"):
        candidates(one_each, [[one]], ["1", "2", "3"])
    with pytest.raises(ValueError, match="items of the catalog"):
        candidates(one_each, [[Split(one.train, None, table((2, 1)), [])]], ["1"])


def test_what_is_written_is_read_back_as_fixed(tmp_path: Path) -> None:
    for prefix in ("", "it's \\ "):
        frame = interactions(8, 20, prefix=prefix)
        folds = split_folds(frame, validate(Splitting, {"test_splitting": LEAVE_ONE}, "splitting"))
        items, path = sorted(frame["item"].unique()), tmp_path / "deep" / "negative.tsv"
        ((drawn,),) = candidates(sampling(strategy="random", num_items=4, file_path=path), folds, items)
        ((fixed,),) = candidates(sampling(strategy="fixed", files=str(path)), folds, items)
        assert (drawn.test != fixed.test).nnz == 0
        assert fixed.notes == []


def test_fixed_files_are_the_test_s_then_the_validation_s(tmp_path: Path) -> None:
    one = Split(table((1, 1), (2, 2), (1, 3), (1, 4)), table((1, 2)), table((2, 3)), [])
    (tmp_path / "test.tsv").write_text("(1,)\t4\n(2, 3)\t1\t \t77\n(9,)\t1\n")
    (tmp_path / "val.tsv").write_text("(1, 2)\t1\n(1, 2)\t3\t4\r\n")
    files = [tmp_path / "test.tsv", tmp_path / "val.tsv"]
    ((made,),) = candidates(sampling(strategy="fixed", files=files), [[one]], list("12345"))
    assert names(made, "test", list("12345")) == {"1": {"4"}, "2": {"1", "3"}}
    assert names(made, "validation", list("12345")) == {"1": {"2", "3", "4"}, "2": set()}
    assert [note.partition(": ")[2] for note in made.notes] == [
        "1 lines were replaced by a later line of the same user",
        "1 users have no line: only their held-out items are ranked",
        "1 negatives that are no items of training were left out",
        "1 users without training rows were left out",
    ]
    with pytest.raises(UserError, match="a validation split needs two files"):
        candidates(sampling(strategy="fixed", files=files[:1]), [[one]], list("12345"))


def test_users_are_read_from_python_tuples_and_from_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "n.tsv"
    path.write_text("(1, 5)\t7\n('a,b', 'x')\t7\n(A1, B2)\t8\t9\n(007, 3)\t7\n(0)\t7\n\n")
    found, replaced = read_negatives(path)
    assert found == {"1": ["7"], "a,b": ["7"], "A1": ["8", "9"], "007": ["7"], "0": ["7"]}
    assert replaced == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"(1,)\t2\n3\t4\n", "line 2: no user in '3'"),
        (b"()\t2\n", "line 1: no user"),
        (b"( , 3)\t2\n", "line 1: no user"),
        (b"\n", "holds no negative items"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "n.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_negatives(path)
    assert str(caught.value).startswith(str(path))


def test_a_user_zero_is_a_user(tmp_path: Path) -> None:
    write_negatives(tmp_path / "n.tsv", [0, 1], [["5"], ["6", "7"]])
    assert (tmp_path / "n.tsv").read_text() == "(0,)\t5\n(1,)\t6\t7\n"
    assert read_negatives(tmp_path / "n.tsv")[0] == {"0": ["5"], "1": ["6", "7"]}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy": "uniform"}, "unknown negative_sampling strategy 'uniform'; known: fixed, random"),
        ({"strategy": "randm"}, "did you mean 'random'"),
        ({"strategy": "random"}, "'random' needs num_items"),
        ({"strategy": "fixed"}, "'fixed' needs files"),
        ({"strategy": "fixed", "files": []}, "'fixed' needs files"),
        ({"strategy": "random", "num_items": 0}, "negative_sampling.num_items"),
        ({"strategy": "random", "num_items": 3, "files": ["a"]}, "'files' is not read.*num_items, file_path"),
        ({"strategy": "fixed", "files": "a", "num_items": 3}, "'num_items' is not read.*which reads files"),
        ({"strategy": "fixed", "files": ["a", "b", "c"]}, "at most two"),
        ({"strategy": "random", "num_item": 3}, "unknown key 'num_item'.*did you mean 'num_items'"),
    ],
)
def test_wrong_keys_are_refused_by_name(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sampling(**keys)


def test_items_are_numbered_as_a_python_set_of_numbers_lists_them() -> None:
    frame = interactions(40, 900, seed=3)
    frame["item"] = (frame["item"].astype(int) * 7919 % 100003).astype(str)
    ratings: dict[str, dict[int, float]] = {}
    for user in frame["user"].unique():
        own = frame[frame["user"] == user]
        ratings[user] = dict(zip(own["item"].astype(int), own["rating"], strict=True))
    listed = list({item for own in ratings.values() for item in own})  # as Elliot's data set does
    assert private_items(frame) == [str(item) for item in listed]
    assert private_users(frame) == list(ratings)


def test_text_ids_and_numbers_written_twice_are_sorted() -> None:
    assert private_items(table((1, "b"), (1, "10"), (2, "9"))) == ["10", "9", "b"]
    assert private_items(table((1, "7"), (1, "10"), (2, "07"))) == ["07", "10", "7"]
