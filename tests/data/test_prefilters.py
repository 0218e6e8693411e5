"""Filters: naive loops agree, wrong keys are refused by name, and every report can say what went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from elliot_advrec.component import Config, validate
from elliot_advrec.data.prefilters import Prefilters, binarize, prefilter
from elliot_advrec.errors import UserError


class Section(Config):
    """A recipe's section, as far as it matters here."""

    prefiltering: Prefilters = Field(default=())


def filters(settings: Any) -> Prefilters:
    return validate(Section, {"prefiltering": settings}, "experiment").prefiltering


def table(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    users, items, ratings = zip(*rows, strict=True)
    columns = {"user": [f"u{u}" for u in users], "item": [f"i{i}" for i in items], "rating": ratings}
    return pd.DataFrame({**columns, "row": range(len(rows))})


def naive_core(rows: list[tuple[int, int]], core: int, rounds: int | None) -> list[tuple[int, int]]:
    done = 0
    while rounds is None or done < rounds:
        before = len(rows)
        for side in (0, 1):
            ids = [row[side] for row in rows]
            rows = [row for row in rows if ids.count(row[side]) >= core]
        done += 1
        if rounds is None and len(rows) == before:
            break
    return rows


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(2, 50).map(lambda r: r / 10)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(rows=ROWS, core=st.integers(0, 4), rounds=st.one_of(st.none(), st.integers(0, 3)))
def test_k_cores_are_those_of_a_naive_loop(
    rows: list[tuple[int, int, float]], core: int, rounds: int | None
) -> None:
    asked: dict[str, Any] = {"strategy": "iterative_k_core", "core": core}
    if rounds is not None:
        asked = {"strategy": "n_rounds_k_core", "core": core, "rounds": rounds}
    numbered = [(u, i, number) for number, (u, i, _) in enumerate(rows)]
    expected = [row[2] for row in naive_core(numbered, core, rounds)]  # type: ignore[misc,arg-type]
    if not expected:
        with pytest.raises(UserError, match=r"prefiltering\[0\]: .*leaves no interactions"):
            prefilter(table(rows), filters(asked), [])
        return
    kept = prefilter(table(rows), filters(asked), [])
    assert kept["row"].tolist() == expected
    assert kept.index.tolist() == list(range(len(expected)))


@settings(max_examples=150)
@given(rows=ROWS, most=st.integers(1, 6), least=st.floats(0, 5))
def test_the_other_filters_are_those_of_a_naive_loop(
    rows: list[tuple[int, int, float]], most: int, least: float
) -> None:
    frame = table(rows)
    mean = frame["rating"].mean()
    mine = {user: group["rating"].mean() for user, group in frame.groupby("user")}
    users, items = frame["user"].value_counts(), frame["item"].value_counts()
    cases: list[tuple[dict[str, Any], list[bool]]] = [
        ({"strategy": "global_threshold", "threshold": least}, [r >= least for r in frame["rating"]]),
        ({"strategy": "global_threshold", "threshold": "average"}, [r >= mean for r in frame["rating"]]),
        ({"strategy": "user_average"}, (frame["rating"] >= frame["user"].map(mine)).tolist()),
        ({"strategy": "user_k_core", "core": most}, [users[u] >= most for u in frame["user"]]),
        ({"strategy": "item_k_core", "core": most}, [items[i] >= most for i in frame["item"]]),
        ({"strategy": "cold_users", "threshold": most}, [users[u] <= most for u in frame["user"]]),
    ]  # fmt: skip
    for asked, kept in cases:
        if any(kept):
            found = prefilter(frame, filters(asked), [])
            assert found["row"].tolist() == np.flatnonzero(kept).tolist(), asked
        else:
            with pytest.raises(UserError, match="leaves no interactions"):
                prefilter(frame, filters(asked), [])


def test_filters_work_in_turn_and_say_what_went() -> None:
    frame = table([(0, 0, 1), (0, 1, 5), (0, 2, 5), (1, 0, 5), (1, 1, 2), (2, 3, 5)])
    notes: list[str] = []
    asked = [{"strategy": "global_threshold", "threshold": 2.5}, {"strategy": "user_k_core", "core": 2}]
    assert prefilter(frame, filters(asked), notes)["row"].tolist() == [1, 2]
    assert notes == [
        "prefiltering global_threshold (threshold 2.5) took 2 of 6 rows, 0 of 3 users, 0 of 4 items",
        "prefiltering user_k_core (core 2) took 2 of 4 rows, 2 of 3 users, 2 of 4 items",
    ]
    turned = prefilter(frame, filters(asked[::-1]), [])
    assert turned["row"].tolist() == [1, 2, 3]
    assert prefilter(frame, filters([]), []) is frame


def test_no_filter_is_none_and_one_is_a_list_of_one() -> None:
    one = {"strategy": "user_average"}
    assert filters(one) == filters([one])
    assert Section().prefiltering == filters(None) == filters(False) == ()
    assert filters(filters(one)[0]) == filters(one)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"strategy": "k_core", "core": 5}, r"prefiltering\[0\].*unknown prefiltering strategy 'k_core'"),
        ({"core": 5}, "'strategy' is missing"),
        ({"strategy": "user_k_core"}, "'user_k_core' needs core"),
        ({"strategy": "n_rounds_k_core", "core": 5}, "'n_rounds_k_core' needs rounds"),
        ({"strategy": "global_threshold"}, "'global_threshold' needs threshold"),
        ({"strategy": "cold_users"}, "'cold_users' needs threshold"),
        ({"strategy": "cold_users", "threshold": "average"}, "whole number of rows"),
        ({"strategy": "cold_users", "threshold": 2.5}, "whole number of rows"),
        ({"strategy": "global_threshold", "threshold": "mean"}, r"prefiltering\[0\].threshold"),
        ({"strategy": "user_k_core", "core": 2.5}, r"prefiltering\[0\].core: 'core' must be a whole number"),
        ({"strategy": "user_k_core", "core": -1}, "at least 0"),
        ({"strategy": "user_k_core", "core": 5, "threshold": 3}, "'threshold' is not read.*which reads core"),
        ({"strategy": "user_average", "core": 5}, "'core' is not read.*which reads no other key"),
        ({"strategy": "user_k_core", "cor": 5}, "unknown key 'cor'.*did you mean 'core'"),
        ([{"strategy": "user_average"}, {"strategy": "user_k_core"}], r"prefiltering\[1\]"),
        ("user_average", "must be a list"),
    ],
)  # fmt: skip
def test_wrong_keys_are_refused_by_name(asked: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        filters(asked)


def test_binarize_keeps_every_row_and_makes_ratings_one() -> None:
    frame = table([(0, 0, 1), (0, 1, 5), (1, 0, 0)])
    made = binarize(frame)
    assert made["rating"].tolist() == [1.0, 1.0, 1.0]
    assert made.drop(columns="rating").equals(frame.drop(columns="rating"))
    assert frame["rating"].tolist() == [1.0, 5.0, 0.0]


def test_a_mean_is_to_the_last_bit_what_numpy_gives_for_one_user() -> None:
    draw = np.random.default_rng(0)
    rows = [(u, i, round(float(r), 1)) for u, n in enumerate([1, 7, 8, 9, 129, 300, 300, 1000])
            for i, r in enumerate(draw.random(n) * 5)]  # fmt: skip
    rows += [(90, i, 4.3) for i in range(11)] + [(91, i, 0.1) for i in range(10)]
    frame = table([rows[i] for i in draw.permutation(len(rows))])
    mean = {user: group["rating"].mean() for user, group in frame.groupby("user")}
    kept = prefilter(frame, filters({"strategy": "user_average"}), [])
    expected = frame[frame["rating"] >= frame["user"].map(mean)]
    assert kept["row"].tolist() == expected["row"].tolist()
