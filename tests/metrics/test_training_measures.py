"""Popularity, novelty and the short head, and the look-up in sparse rows."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.metrics.training import Training, stored_at


def test_popularity_of_a_small_catalog() -> None:
    # Column 2 is known to three of four users, 0 to two, 3 to one, 1 and 4 to none; a rating of 0 counts.
    train = csr_matrix((np.zeros(6), ([0, 0, 1, 1, 2, 2], [2, 0, 2, 0, 3, 2])), shape=(4, 5))
    found = Training.of(train)
    assert found.popularity.tolist() == [2, 0, 3, 1, 0]
    assert (found.items, found.users, found.sizes.tolist()) == (3, 3, [2, 2, 2, 0])
    assert Training.of(train, 5).items == 5
    assert found.rarity.tolist() == [1 - 2 / 3, 1, 0, 1 - 1 / 3, 1]
    assert np.allclose(found.surprise, [math.log2(3), math.log2(6), 1, math.log2(6), math.log2(6)])
    # 80 % of six interactions are 4.8: items 2 and 0 hold five.
    assert found.head.tolist() == [True, False, True, False, False]
    assert found.tail.tolist() == [False, False, False, True, False]


def test_rows_may_be_in_any_order() -> None:
    train = csr_matrix((np.ones(3), np.array([2, 0, 1]), np.array([0, 3])), shape=(1, 3))
    found = Training.of(train)
    assert found.train.indices.tolist() == [0, 1, 2]
    assert stored_at(found.train, np.zeros(3, int), np.arange(3)).tolist() == [0, 1, 2]


def test_equal_popularity_goes_by_column() -> None:
    found = Training.of(csr_matrix(np.ones((2, 5))))
    assert found.head.tolist() == [True] * 4 + [False]


def test_a_catalog_that_nobody_knows() -> None:
    found = Training.of(csr_matrix((2, 3)))
    assert (found.items, found.users) == (0, 0)
    assert not found.head.any()
    assert not found.tail.any()
    assert np.isfinite(found.surprise).all()
    assert found.rarity.tolist() == [1, 1, 1]


@given(seed=st.integers(0, 10_000), shape=st.tuples(st.integers(1, 5), st.integers(1, 6)))
def test_entries_are_found_where_they_are_stored(seed: int, shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(seed)
    matrix = csr_matrix(generator.integers(0, 3, size=shape))
    rows = generator.integers(shape[0], size=(3, 4))
    columns = generator.integers(-1, shape[1], size=(3, 4))
    found = stored_at(matrix, rows, columns)
    for place in np.ndindex(3, 4):
        row, column = rows[place], columns[place]
        stored = column >= 0 and matrix[row, column] != 0
        assert (found[place] >= 0) == stored
        if stored:
            assert matrix.data[found[place]] == matrix[row, column]
            assert matrix.indices[found[place]] == column
