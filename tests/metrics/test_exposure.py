"""The category hit ratio against a naive loop and by hand."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics import exposure
from elliot_advrec.metrics.exposure import category_hits, hits_in
from elliot_advrec.metrics.significance import wilcoxon


class Given:
    """Scores that are given."""

    def __init__(self, scores: np.ndarray) -> None:
        self.all = torch.as_tensor(scores, dtype=torch.float32)

    def scores(self, users: np.ndarray) -> torch.Tensor:
        return self.all[torch.from_numpy(users)].clone()


def trained(matrix: np.ndarray | list[list[int]]) -> Interactions:
    train = csr_matrix(np.asarray(matrix, dtype=np.float32))
    return Interactions(
        [f"u{row}" for row in range(len(matrix))], train, None, csr_matrix(train.shape), True, []
    )


def naive(scores: np.ndarray, train: np.ndarray, items: set[int], k: int, open_items: set[int]) -> list[int]:
    """The definition, a user and a place at a time."""
    found = []
    for row, seen in zip(scores, train, strict=True):
        allowed = [item for item in range(len(row)) if not seen[item] and item in open_items]
        ranked = sorted(allowed, key=lambda item: (-row[item], item))
        found.append(sum(item in items for item in ranked[:k]))
    return found


@settings(max_examples=60)
@given(
    st.integers(1, 7), st.integers(1, 20), st.integers(1, 25), st.integers(0, 2**32), st.booleans(), st.data()
)
def test_equals_a_naive_loop(
    users: int, items: int, k: int, seed: int, known_only: bool, data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    scores, train = random.integers(0, 4, size=(users, items)), random.random((users, items)) < 0.3
    chosen = data.draw(st.sets(st.integers(0, items - 1), min_size=1))
    open_items = set(np.flatnonzero(train.any(axis=0)).tolist()) if known_only else set(range(items))
    with patch.object(exposure, "users_at_once", lambda items: 2):
        found = category_hits(
            Given(scores), trained(train), np.array(sorted(chosen)), [k, 1], known_only=known_only
        )
    for cutoff in (k, 1):
        measured = found["CHR", cutoff]
        assert measured.values.tolist() == naive(scores, train, chosen, cutoff, open_items)
        assert measured.users.tolist() == list(range(users))


def test_known_answers_with_intervals() -> None:
    # Items 0 and 1 are the set. The first user has taken item 0, which does not count for it.
    scores = np.array([[9, 8, 7, 6], [9, 8, 7, 6], [1, 2, 8, 9], [9, 1, 8, 7]])
    data = trained([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = category_hits(Given(scores), data, np.array([0, 1, 1]), [1, 2, 4])
    assert found["CHR", 1].values.tolist() == [1, 1, 0, 1]
    assert found["CHR", 2].values.tolist() == [1, 2, 0, 1]
    assert found["CHR", 4].values.tolist() == [1, 2, 2, 2]
    assert found["CHR", 2].value == 1.0
    rate = found["CHR", 2].rate()
    assert 0 <= rate.low < 1 < rate.high <= 2
    assert found["CHR", 4].rate().high <= 4


def test_a_set_that_is_everything_fills_the_lists_and_pushing_it_shows_in_paired_tests() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(40, 30))
    data = trained(np.zeros((40, 30)))
    everything = category_hits(Given(scores), data, np.arange(30), [7])["CHR", 7]
    assert everything.values.tolist() == [7.0] * 40
    few = np.arange(5)
    pushed = scores.copy()
    pushed[:, few] += 0.7
    before, after = (category_hits(Given(s), data, few, [10])["CHR", 10] for s in (scores, pushed))
    assert after.value > before.value
    assert wilcoxon(after.values, before.values).p < 1e-3
    chance = 10 * 5 / 30
    assert before.rate().low <= chance <= before.rate().high


def test_bad_input_is_refused() -> None:
    data, scores = trained(np.zeros((2, 3))), Given(np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"cutoffs must be at least 1, got \[0\]"):
        category_hits(scores, data, np.array([0]), [0])
    with pytest.raises(UserError, match="cutoffs must be at least 1"):
        category_hits(scores, data, np.array([0]), [])
    with pytest.raises(UserError, match="of no items"):
        category_hits(scores, data, np.array([], dtype=int), [1])
    with pytest.raises(UserError, match="over no users"):
        category_hits(scores, trained(np.zeros((0, 3))), np.array([0]), [1])
    with pytest.raises(UserError, match="not numbers"):
        category_hits(Given(np.full((2, 3), np.nan)), data, np.array([0]), [1])


def test_counting_in_lists() -> None:
    listed = np.array([[True, False, True], [False, False, True]])
    assert hits_in(listed, [1, 2, 3]).tolist() == [[1, 1, 2], [0, 0, 1]]
