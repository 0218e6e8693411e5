"""Splits: the same rows as Elliot, nothing lost, nothing in two parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import read
from elliot_advrec.data.splits import Splitting, split
from elliot_advrec.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"


def plan(test: dict[str, Any], validation: dict[str, Any] | None = None, **more: Any) -> Splitting:
    sections = {"test_splitting": test, **more}
    if validation is not None:
        sections["validation_splitting"] = validation
    return validate(Splitting, sections, "splitting")


def random(**amount: Any) -> dict[str, Any]:
    return {"strategy": "random_subsampling", **amount}


def temporal(**amount: Any) -> dict[str, Any]:
    return {"strategy": "temporal_hold_out", **amount}


def frame(sizes: list[int], seed: int = 0) -> pd.DataFrame:
    users = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(users))
    times = np.random.default_rng(seed + 1).integers(0, 5, len(users))
    rows = {"user": users[order].astype(str), "item": np.arange(len(users)).astype(str), "rating": 1.0}
    return pd.DataFrame({**rows, "timestamp": times})


@pytest.mark.parametrize(
    ("folder", "amount"), [("ratio", {"test_ratio": 0.2}), ("leave1", {"leave_n_out": 1})]
)
def test_random_splits_are_those_of_elliot(folder: str, amount: dict[str, Any]) -> None:
    made = split(read(GOLDEN / "interactions.tsv"), plan(random(**amount)), seed=42)
    pd.testing.assert_frame_equal(made.train, read(GOLDEN / folder / "train.tsv"))
    pd.testing.assert_frame_equal(made.test, read(GOLDEN / folder / "test.tsv"))
    other = split(read(GOLDEN / "interactions.tsv"), plan(random(**amount)), seed=43)
    assert not other.test.equals(made.test)


@pytest.mark.parametrize("amount", [{"test_ratio": 0.3}, {"leave_n_out": 2}])
def test_temporal_splits_hold_out_what_pandas_ranks_latest(amount: dict[str, Any]) -> None:
    data = frame([3, 5, 8, 4, 9])
    by_user = data.groupby("user")["timestamp"]
    if "test_ratio" in amount:
        kept = data["user"].map(data.groupby("user").size()).map(lambda n: math.floor(n * (1 - 0.3)))
        expected = by_user.rank(method="first") > kept
    else:
        expected = by_user.rank(method="first", ascending=False) <= 2
    made = split(data, plan(temporal(**amount)))
    assert made.test["item"].tolist() == data.loc[expected, "item"].tolist()
    assert made.train["item"].tolist() == data.loc[~expected, "item"].tolist()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    strategy=st.sampled_from([random, temporal]),
    amount=st.one_of(
        st.builds(lambda n: {"leave_n_out": n}, st.integers(1, 3)),
        st.builds(lambda r: {"test_ratio": r}, st.floats(0.05, 0.95)),
    ),
    nested=st.booleans(),
)
def test_parts_are_a_partition_and_every_user_trains(
    sizes: list[int], strategy: Any, amount: dict[str, Any], nested: bool
) -> None:
    data = frame(sizes)
    section = strategy(**amount)
    try:
        made = split(data, plan(section, section if nested else None))
    except UserError as error:
        assert "leaves no" in str(error)  # noqa: PT017
        return
    parts = [made.train, made.test, *([made.validation] if made.validation is not None else [])]
    assert sorted(pd.concat(parts)["item"]) == sorted(data["item"])
    assert set(made.train["user"]) == set(data["user"])
    if not nested:
        for user, size in enumerate(sizes):
            n = amount.get("leave_n_out", size - math.floor(size * (1 - amount.get("test_ratio", 0))))
            assert (made.test["user"] == str(user)).sum() == (n if n < size else 0)


def test_users_are_walked_as_numbers_where_all_ids_are() -> None:
    data = frame([4] * 12)
    renamed = data.assign(user=data["user"].map(lambda user: f"{int(user):02d}"))
    by_number = split(data, plan(random(leave_n_out=1)))
    by_name = split(renamed, plan(random(leave_n_out=1)))
    assert by_number.test["item"].tolist() == by_name.test["item"].tolist()


def test_one_stream_serves_both_levels() -> None:
    data = frame([6, 6, 6])
    both = split(data, plan(random(leave_n_out=1), random(leave_n_out=1)))
    alone = split(data, plan(random(leave_n_out=1)))
    assert both.test.equals(alone.test)
    again = split(alone.train, plan(random(leave_n_out=1)))
    assert both.validation is not None
    assert not both.validation.equals(again.test)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"strategy": "random_subsampling"}, "exactly one of test_ratio and leave_n_out"),
        (random(test_ratio=0.2, leave_n_out=1), "exactly one of test_ratio and leave_n_out"),
        (random(test_ratio=1.0), "test_splitting.test_ratio"),
        (random(leave_n_out=0), "test_splitting.leave_n_out"),
        (random(leave_n_out=1, folds=5), "test_splitting.folds"),
        (random(leave_n_aut=1), "unknown key 'leave_n_aut'.*did you mean 'leave_n_out'"),
        ({"strategy": "random_cross_validation"}, "'random_cross_validation' is not supported"),
        ({"strategy": "fixed_timestamp"}, "'fixed_timestamp' is not supported"),
        ({"strategy": "random_subsampel"}, "did you mean 'random_subsampling'"),
    ],
)
def test_bad_sections_are_refused_by_name(section: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(section)


def test_a_folder_is_needed_to_save() -> None:
    with pytest.raises(UserError, match="needs a save_folder"):
        plan(random(leave_n_out=1), save_on_disk=True)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="leaves no test rows"):
        split(frame([1, 1]), plan(random(leave_n_out=1)))
    with pytest.raises(UserError, match="leaves no validation rows"):
        split(frame([2, 2]), plan(random(leave_n_out=1), random(leave_n_out=1)))
    with pytest.raises(UserError, match="no interactions to split"):
        split(frame([1]).iloc[:0], plan(random(leave_n_out=1)))


def test_time_needs_timestamps() -> None:
    with pytest.raises(UserError, match="test_splitting: 'temporal_hold_out' needs timestamps"):
        split(frame([3, 3]).drop(columns="timestamp"), plan(temporal(leave_n_out=1)))


def test_saving_uses_the_layout_of_elliot(tmp_path: Path) -> None:
    split(frame([4, 4]), plan(random(leave_n_out=1))).save(tmp_path / "flat")
    split(frame([4, 4]), plan(random(leave_n_out=1), random(leave_n_out=1))).save(tmp_path / "nested")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.tsv")}
    nested = {"nested/0/test.tsv", "nested/0/0/train.tsv", "nested/0/0/val.tsv"}
    assert found == {"flat/0/test.tsv", "flat/0/train.tsv"} | nested
    assert len(read(tmp_path / "nested" / "0" / "0" / "train.tsv")) == 4
