"""Paired tests against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.measured import Overall, PerUser, Ranking
from elliot_advrec.metrics.significance import benjamini_hochberg, mcnemar, pairs, ttest, wilcoxon


@given(gained=st.integers(0, 30), lost=st.integers(0, 30), agree=st.integers(1, 10))
def test_mcnemar_is_the_exact_binomial(gained: int, lost: int, agree: int) -> None:
    first = np.array([True] * gained + [False] * lost + [True] * agree)
    second = np.array([False] * gained + [True] * lost + [True] * agree)
    n, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(n, i) for i in range(fewer + 1)) / 2**n
    found = mcnemar(first, second)
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert (found.difference, found.n) == ((gained - lost) / (n + agree), n + agree)
    assert mcnemar(second, first).p == found.p


def test_wilcoxon_is_the_exact_enumeration() -> None:
    first, second = np.array([1.0, 5.0, 2.0, 8.0, 4.5, 9.0]), np.array([0.5, 3.0, 3.1, 4.0, 4.2, 2.0])
    difference = first - second
    ranks = np.argsort(np.argsort(abs(difference))) + 1
    observed = ranks[difference > 0].sum()
    total = ranks.sum()
    extreme = max(observed, total - observed)
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s)
        for signs in itertools.product([0, 1], repeat=6)
    ]
    expected = sum(s >= extreme or s <= total - extreme for s in sums) / 64
    assert wilcoxon(first, second).p == pytest.approx(expected)


def test_ttest_is_its_formula() -> None:
    first, second = np.array([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 2.0])
    # Differences 1, 0, 2: t = 1 / (1 / sqrt 3), and with 2 degrees of freedom p = 1 - t / sqrt(2 + t^2).
    t = math.sqrt(3)
    assert ttest(first, second).p == pytest.approx(1 - t / math.sqrt(2 + t * t))


@pytest.mark.parametrize("test", [mcnemar, wilcoxon, ttest])
def test_equal_cells_do_not_differ(test: object) -> None:
    same = np.array([0.0, 1.0, 1.0])
    assert test(same, same).p == 1.0  # type: ignore[operator]


@pytest.mark.parametrize("test", [mcnemar, wilcoxon, ttest])
def test_pairs_must_be_pairs(test: object) -> None:
    with pytest.raises(UserError, match="same pairs in both cells, got 2 and 3"):
        test(np.zeros(2), np.zeros(3))  # type: ignore[operator]
    with pytest.raises(UserError, match="no pairs"):
        test(np.zeros(0), np.zeros(0))  # type: ignore[operator]
    with pytest.raises(UserError, match="finite"):
        test(np.array([np.nan, 1]), np.zeros(2))  # type: ignore[operator]


def test_one_pair_has_no_variance() -> None:
    with pytest.raises(UserError, match="at least two pairs"):
        ttest(np.ones(1), np.zeros(1))


def test_a_comparison_says_its_test_and_the_difference() -> None:
    hits, misses = np.array([1, 1, 1, 0.0]), np.array([0, 0, 1, 0.0])
    found = mcnemar(hits, misses)
    assert (found.test, found.difference, found.n) == ("mcnemar", 0.5, 4)
    found = wilcoxon(hits + 0.5, misses)
    assert (found.test, found.difference, found.n) == ("wilcoxon", 1.0, 4)


@given(st.lists(st.floats(0, 1), min_size=0, max_size=20))
def test_benjamini_hochberg_is_its_definition(values: list[float]) -> None:
    m = len(values)
    order = sorted(range(m), key=lambda i: values[i])
    expected, running = [0.0] * m, 1.0
    for rank in range(m, 0, -1):
        running = min(running, values[order[rank - 1]] * m / rank)
        expected[order[rank - 1]] = running
    assert benjamini_hochberg(values) == pytest.approx(np.array(expected), abs=1e-12)


def measured(users: list[int], recall: list[float], hits: list[float]) -> Ranking:
    rows = np.array(users)
    values = {
        ("Recall", 5): PerUser(rows, np.array(recall)),
        ("Gini", 5): Overall(0.5, len(users)),
        ("HR", 5): PerUser(rows, np.array(hits)),
        ("Recall", 10): PerUser(rows, np.array(recall) / 2),
    }
    return Ranking(rows, np.zeros((len(users), 1), dtype=np.int64), values)


def test_models_are_compared_over_the_users_they_share_in_elliots_order() -> None:
    models = {
        "a": measured([0, 1, 2, 3], [0.1, 0.5, 0.2, 0.9], [1, 1, 0, 1]),
        "b": measured([1, 2, 3, 7], [0.4, 0.0, 0.6, 0.3], [1, 0, 1, 1]),
        "c": measured([9], [0.3], [1]),
    }
    found = pairs(models, 5, "ttest")
    assert [pair[:3] for pair in found[:4]] == [
        ("a", "b", "Recall"),
        ("b", "a", "Recall"),
        ("a", "b", "HR"),
        ("b", "a", "HR"),
    ]
    assert [pair[:2] for pair in found[4::4]] == [("a", "c"), ("b", "c")]
    shared = ttest(np.array([0.5, 0.2, 0.9]), np.array([0.4, 0.0, 0.6])).p
    assert found[0].p == found[1].p == shared
    assert math.isnan(found[2].p), (
        "users 1, 2 and 3 agree on every hit, which Elliot leaves without a p-value"
    )
    assert all(math.isnan(pair.p) for pair in found[4:]), "no user in common"
    ranks = pairs(models, 5, "wilcoxon")
    assert ranks[0].p == wilcoxon(np.array([0.5, 0.2, 0.9]), np.array([0.4, 0.0, 0.6])).p
    assert math.isnan(ranks[2].p)
    assert pairs(models, 20, "ttest") == []
    assert len(pairs(models, 10, "ttest")) == 6
