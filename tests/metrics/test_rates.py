"""Rates and means with their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.rates import Rate, mean_interval, success_rate, wilson


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_is_its_formula(n: int, share: float) -> None:
    successes = round(n * share)
    z, p = 1.959963984540054, successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = wilson(successes, n)
    assert low == pytest.approx(centre - half, abs=1e-9)
    assert high == pytest.approx(centre + half, abs=1e-9)
    assert 0 <= low <= p <= high <= 1


def test_wilson_knows_its_ends_and_its_confidence() -> None:
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(5, 10, 0.99)[0] < wilson(5, 10, 0.95)[0] < wilson(50, 100, 0.95)[0]


def test_wilson_refuses_nonsense() -> None:
    with pytest.raises(UserError, match="no observations"):
        wilson(0, 0)
    with pytest.raises(ValueError):
        wilson(3, 2)
    with pytest.raises(ValueError):
        wilson(1, 2, 1.5)


def test_success_counts_ranks_up_to_the_limit() -> None:
    ranks = np.array([1, 3, 4, 100])
    assert [success_rate(ranks, k).value for k in (1, 3, 10, 100)] == [0.25, 0.5, 0.75, 1.0]
    assert success_rate(ranks, 3) == Rate(0.5, *wilson(2, 4), 4)
    with pytest.raises(UserError, match="no observations"):
        success_rate(np.array([]), 3)


def test_the_t_interval_is_its_formula() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    mean, low, high = mean_interval(values)
    half = 3.182446305284263 * values.std(ddof=1) / 2  # t quantile for 3 degrees of freedom
    assert mean == 4.0
    assert (low, high) == pytest.approx((4 - half, 4 + half))


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        _, low, high = mean_interval(generator.normal(3, 2, 40))
        covered += low <= 3 <= high
    # 95 % of 200 has a standard deviation of 1.5 %; four of them are allowed.
    assert 0.88 < covered / 200 < 1


def test_values_that_do_not_vary_have_no_width() -> None:
    assert mean_interval(np.array([0.5])) == mean_interval(np.full(9, 0.5)) == (0.5, 0.5, 0.5)


def test_means_of_nothing_or_of_nan_are_refused() -> None:
    with pytest.raises(UserError, match="no observations"):
        mean_interval(np.array([]))
    with pytest.raises(UserError, match="1 of 2 values are not finite"):
        mean_interval(np.array([1.0, np.nan]))
