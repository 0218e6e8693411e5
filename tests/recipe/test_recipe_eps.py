"""Budgets as a person writes them."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import parse_eps


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.03, 0.03),
        (1, 1.0),
        ("8/255", 8 / 255),
        (" 8 / 255 ", 8 / 255),
        ("0.03", 0.03),
        ("1e-2", 0.01),
        ("0.5/255", 0.5 / 255),
    ],
)
def test_numbers_texts_and_fractions(value: object, expected: float) -> None:
    assert parse_eps(value) == expected


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_fraction_is_its_value_or_is_refused(above: int, below: int) -> None:
    text = f"{above}/{below}"
    if above <= below:
        assert parse_eps(text) == float(Fraction(above, below))
    else:
        with pytest.raises(UserError, match="at most 1"):
            parse_eps(text)


@given(st.one_of(st.text(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_whatever_is_written_gives_a_budget_or_a_user_error(value: object) -> None:
    with contextlib.suppress(UserError):
        assert 0 < parse_eps(value) <= 1


@pytest.mark.parametrize(
    "value", [True, None, [0.1], "", "8/0", "a/b", "1/2/3", "nan", float("nan"), "inf", float("inf")]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"here: eps must be (a number|above 0|at most 1), got"):
        parse_eps(value, where="here")


def test_an_l2_ball_may_be_wider_than_one_pixel() -> None:
    assert parse_eps(3, norm="l2") == 3.0
    with pytest.raises(UserError, match="did you mean 3/255"):
        parse_eps(3)
