"""Splits: nothing lost, nothing in two parts, naive loops agree; bad sections are refused by name."""

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
from elliot_advrec.data.splits import Split, save_folds, split_folds
from elliot_advrec.data.splitting.rules import RULES, best_timestamp
from elliot_advrec.data.splitting.settings import READ, Splitting
from elliot_advrec.data.splitting.users import ByUser
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError


def split(data: pd.DataFrame, splitting: Splitting) -> Split:
    """The one split of a section without folds, less what cannot be evaluated."""
    [[found]] = split_folds(data, splitting)
    return found.evaluable()


def plan(test: dict[str, Any], validation: dict[str, Any] | None = None, **more: Any) -> Splitting:
    sections = {"test_splitting": test, **more}
    if validation is not None:
        sections["validation_splitting"] = validation
    return validate(Splitting, sections, "splitting")


def random(**amount: Any) -> dict[str, Any]:
    return {"strategy": "random_subsampling", **amount}


def temporal(**amount: Any) -> dict[str, Any]:
    return {"strategy": "temporal_hold_out", **amount}


def cross(folds: int) -> dict[str, Any]:
    return {"strategy": "random_cross_validation", "folds": folds}


def fixed(timestamp: Any, **more: Any) -> dict[str, Any]:
    return {"strategy": "fixed_timestamp", "timestamp": timestamp, **more}


def frame(sizes: list[int], seed: int = 0) -> pd.DataFrame:
    users = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(users))
    times = np.random.default_rng(seed + 1).integers(0, 5, len(users))
    rows = {"user": users[order].astype(str), "item": np.arange(len(users)).astype(str), "rating": 1.0}
    return pd.DataFrame({**rows, "timestamp": times})


def tables(one: Split) -> list[pd.DataFrame]:
    return [one.train, one.test, *([] if one.validation is None else [one.validation])]


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)
AMOUNTS = st.one_of(
    st.builds(lambda n: {"leave_n_out": n}, st.integers(1, 3)),
    st.builds(lambda r: {"test_ratio": r}, st.floats(0.05, 0.95)),
)
SECTIONS = st.one_of(
    st.builds(lambda amount, folds: random(**amount, folds=folds), AMOUNTS, st.integers(1, 3)),
    st.builds(lambda amount: temporal(**amount), AMOUNTS),
    st.builds(cross, st.integers(2, 4)),
    st.builds(fixed, st.one_of(st.just("best"), st.integers(0, 5))),
)


def test_settings_and_rules_name_the_same_strategies() -> None:
    assert set(READ) == set(RULES)


@settings(max_examples=150)
@given(sizes=SIZES, test=SECTIONS, validation=st.one_of(st.none(), SECTIONS), seed=st.integers(0, 99))
def test_every_fold_is_a_partition_and_evaluated_users_train(
    sizes: list[int], test: dict[str, Any], validation: dict[str, Any] | None, seed: int
) -> None:
    data = frame(sizes)
    try:
        folds = split_folds(data, plan(test, validation), seed=seed)
    except UserError as error:
        assert "leaves no" in str(error)  # noqa: PT017
        return
    assert len(folds) == test.get("folds", 1)
    for fold in folds:
        assert len(fold) == (validation or {}).get("folds", 1)
        for one in fold:
            assert sorted(pd.concat(tables(one))["item"]) == sorted(data["item"])
            kept = one.evaluable()
            assert kept.train is one.train
            for table in tables(kept):
                assert len(table)
                assert set(table["user"]) <= set(one.train["user"])
            # What evaluable takes out is all of users who do not train, and order stays.
            for full, left in zip(tables(one), tables(kept), strict=True):
                known = full["user"].isin(set(one.train["user"]))
                assert left["item"].tolist() == full.loc[known, "item"].tolist()


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=6), folds=st.integers(2, 4))
def test_cross_validation_tests_every_row_once(sizes: list[int], folds: int) -> None:
    data = frame(sizes)
    if max(sizes) < folds:
        with pytest.raises(UserError, match=f"leaves no test rows in fold {max(sizes)}"):
            split_folds(data, plan(cross(folds)))
        return
    made = split_folds(data, plan(cross(folds)))
    assert sorted(pd.concat([one.test for (one,) in made])["item"]) == sorted(data["item"])
    for (one,) in made:
        for user, rows in one.test.groupby("user"):
            size = sizes[int(str(user))]
            assert size // folds <= len(rows) <= -(-size // folds)


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


@settings(max_examples=100)
@given(sizes=SIZES, below=st.integers(0, 4), over=st.integers(0, 4), seed=st.integers(0, 99))
def test_the_best_timestamp_is_the_one_that_trying_all_finds(
    sizes: list[int], below: int, over: int, seed: int
) -> None:
    data = frame(sizes, seed)
    times = data["timestamp"].to_numpy()
    counts = {
        time: sum(
            (own < time).sum() >= below and (own >= time).sum() >= over
            for own in (times[data["user"] == user] for user in set(data["user"]))
        )
        for time in set(times.tolist())
    }
    best = max(time for time, count in counts.items() if count == max(counts.values()))
    assert best_timestamp(ByUser.of(data["user"]), times, below, over) == (best, counts[best])
    notes: list[str] = []
    strategy = plan(fixed("best", min_below=below, min_over=over)).test_splitting
    (held,) = RULES["fixed_timestamp"](data, strategy, np.random.RandomState(0), notes)
    assert held.tolist() == (times >= best).tolist()
    assert f"the best timestamp is {best}: {counts[best]} of {len(sizes)} users" in notes[0]


@settings(max_examples=60)
@given(sizes=SIZES, ratio=st.floats(0.05, 0.95), folds=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_random_rows_are_those_of_one_numpy_stream(
    sizes: list[int], ratio: float, folds: int, seed: int
) -> None:
    data = frame(sizes)
    stream = np.random.RandomState(seed)
    strategy = plan(random(test_ratio=ratio, folds=folds)).test_splitting
    made = RULES["random_subsampling"](data, strategy, np.random.RandomState(seed), [])
    for held in made:
        for user, size in enumerate(sizes):
            kept = math.floor(size * (1 - ratio))
            flags = [0] * kept + [1] * (size - kept)
            stream.shuffle(flags)
            assert held[data["user"] == str(user)].tolist() == [bool(flag) for flag in flags]


def test_users_are_walked_as_numbers_where_all_ids_are() -> None:
    data = frame([4] * 12)
    renamed = data.assign(user=data["user"].map(lambda user: f"{int(user):02d}"))
    named = data.assign(user=data["user"].map(lambda user: f"u{user}"))
    by_number = split(data, plan(random(leave_n_out=1)))
    by_name = split(renamed, plan(random(leave_n_out=1)))
    assert by_number.test["item"].tolist() == by_name.test["item"].tolist()
    assert split(named, plan(random(leave_n_out=1))).test["item"].tolist() != by_number.test["item"].tolist()


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
        (random(), "exactly one of test_ratio and leave_n_out"),
        (random(test_ratio=0.2, leave_n_out=1), "exactly one of test_ratio and leave_n_out"),
        (temporal(), "'temporal_hold_out' needs exactly one of"),
        (random(test_ratio=1.0), "test_splitting.test_ratio"),
        (random(leave_n_out=0), "test_splitting.leave_n_out"),
        (random(leave_n_out=1, folds=0), "test_splitting.folds"),
        (random(leave_n_out=1, folds="many"), "test_splitting.folds"),
        (random(leave_n_aut=1), "unknown key 'leave_n_aut'.*did you mean 'leave_n_out'"),
        (random(leave_n_out=1, timestamp=3), "'timestamp' is not read with strategy 'random_subsampling'"),
        (temporal(leave_n_out=1, folds=5), "'folds' is not read with strategy 'temporal_hold_out'"),
        ({"strategy": "random_cross_validation"}, "needs folds, at least 2"),
        ({**cross(3), "test_ratio": 0.2}, "'test_ratio' is not read.*which reads folds"),
        ({"strategy": "fixed_timestamp"}, "needs timestamp: a number, or best"),
        (fixed("worst"), "test_splitting.timestamp"),
        (fixed(1.5), "test_splitting.timestamp"),
        (fixed(3, min_below=2), "read only with timestamp: best"),
        (fixed("best", min_over=-1), "test_splitting.min_over"),
        ({"strategy": "random_subsampel"}, "did you mean 'random_subsampling'"),
    ],
)
def test_bad_sections_are_refused_by_name(section: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(section)


def test_a_resolved_section_can_be_read_again() -> None:
    for section in (random(leave_n_out=1), temporal(test_ratio=0.2), cross(3), fixed("best", min_below=2)):
        made = plan(section, section)
        assert Splitting.model_validate(made.model_dump(mode="json")) == made


def test_a_folder_is_needed_to_save() -> None:
    with pytest.raises(UserError, match="needs a save_folder"):
        plan(random(leave_n_out=1), save_on_disk=True)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="leaves no test rows of users with training rows"):
        split(frame([1, 1]), plan(random(leave_n_out=1)))
    with pytest.raises(UserError, match=r"validation_splitting: .*leaves no validation rows"):
        split(frame([2, 2]), plan(random(leave_n_out=1), random(leave_n_out=1)))
    with pytest.raises(UserError, match=r"validation_splitting \(test fold 0\)"):
        split_folds(frame([2, 2]), plan(random(leave_n_out=1, folds=2), random(leave_n_out=1)))
    with pytest.raises(UserError, match="leaves no test rows"):
        split(frame([4, 4]), plan(fixed(99)))
    with pytest.raises(UserError, match="leaves no test rows"):
        split(frame([4, 4]), plan(fixed(-1)))
    with pytest.raises(UserError, match="no interactions to split"):
        split(frame([1]).iloc[:0], plan(random(leave_n_out=1)))


def test_a_test_whose_users_all_go_to_validation_is_refused() -> None:
    rows = [("a", 0), ("a", 1), ("a", 5), ("b", 0), ("b", 0), ("b", 1)]
    data = pd.DataFrame({
        "user": [user for user, _ in rows],
        "item": [str(number) for number in range(len(rows))],
        "rating": 1.0,
        "timestamp": [time for _, time in rows],
    })  # fmt: skip
    # Only a is in the test; then a's two rows are held out for validation and b alone trains.
    with pytest.raises(UserError, match="leaves no test rows"):
        split(data, plan(fixed(5), temporal(leave_n_out=2)))


def test_users_who_do_not_train_are_kept_apart_and_said() -> None:
    data = frame([1, 5, 2])
    whole = split_folds(data, plan(random(leave_n_out=2)))[0][0]
    assert len(whole.train) == 3
    one = split(data, plan(random(leave_n_out=2)))
    assert set(one.test["user"]) == {"1"}
    assert "2 users have no training row left and are not evaluated for the test" in one.notes


@pytest.mark.parametrize("section", [temporal(leave_n_out=1), fixed("best"), fixed(3)])
def test_time_needs_timestamps(section: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"test_splitting: '.*' needs timestamps"):
        split(frame([3, 3]).drop(columns="timestamp"), plan(section))


def test_saving_uses_the_layout_of_elliot(tmp_path: Path) -> None:
    one = random(leave_n_out=1)
    save_folds([[split(frame([4, 4]), plan(one))]], tmp_path / "flat")
    save_folds([[split(frame([4, 4]), plan(one, one))]], tmp_path / "nested")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.tsv")}
    nested = {"nested/0/test.tsv", "nested/0/0/train.tsv", "nested/0/0/val.tsv"}
    assert found == {"flat/0/test.tsv", "flat/0/train.tsv"} | nested
    assert len(read(tmp_path / "nested" / "0" / "0" / "train.tsv")) == 4


def test_saving_again_leaves_no_fold_of_before_and_nothing_else_is_touched(tmp_path: Path) -> None:
    data = frame([8, 8])
    (tmp_path / "0").mkdir()
    for kept in ("notes.txt", "0/notes.txt"):
        (tmp_path / kept).write_text("mine")
    save_folds(split_folds(data, plan(cross(3), cross(2))), tmp_path)
    assert len(list(tmp_path.rglob("*.tsv"))) == 3 + 3 * 2 * 2
    save_folds(split_folds(data, plan(random(leave_n_out=1))), tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"0/train.tsv", "0/test.tsv", "notes.txt", "0/notes.txt"}
    assert not (tmp_path / "1").exists()


def test_whole_ratings_are_written_whole_and_others_as_they_are(tmp_path: Path) -> None:
    data = frame([4])
    for name, rated in (("whole", data), ("halves", data.assign(rating=[1, 2, 3.5, 4]))):
        save_folds([[split(rated, plan(random(leave_n_out=1)))]], tmp_path / name)
    written = {
        name: {line.split("\t")[2] for path in (tmp_path / name).rglob("*.tsv") for line in path.open()}
        for name in ("whole", "halves")
    }
    assert written == {"whole": {"1"}, "halves": {"1.0", "2.0", "3.5", "4.0"}}
