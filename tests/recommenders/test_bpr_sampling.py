"""Training triples: never a positive among the negatives, each epoch its own, every choice as likely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.errors import UserError
from elliot_advrec.recommenders.bpr.sampling import TripleSampler


def matrix(users: int, items: int, density: float, seed: int) -> csr_matrix:
    return csr_matrix((np.random.default_rng(seed).random((users, items)) < density).astype(np.float32))


def drawn(sampler: TripleSampler, epoch: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    triples = sampler.epoch(epoch)
    return triples.users.numpy(), triples.positives.numpy(), triples.negatives.numpy()


@settings(max_examples=60)
@given(
    users=st.integers(1, 20),
    items=st.integers(2, 30),
    density=st.sampled_from([0.05, 0.3, 0.7, 0.97]),
    seed=st.integers(0, 10_000),
)
def test_negatives_are_trained_items_that_the_user_lacks(
    users: int, items: int, density: float, seed: int
) -> None:
    train = matrix(users, items, density, seed)
    trained = np.unique(train.indices)
    counts = np.diff(train.indptr)
    choosing = (counts > 0) & (counts < len(trained))
    if not choosing.any():
        with pytest.raises(UserError, match="no user can be learned from"):
            TripleSampler(train, seed)
        return
    user, positive, negative = drawn(TripleSampler(train, seed))
    taken = train.toarray() > 0
    assert len(user) == train.nnz
    assert taken[user, positive].all()
    assert not taken[user, negative].any()
    assert np.isin(negative, trained).all()
    assert choosing[user].all()


def test_a_user_who_lacks_one_item_always_gets_that_one_and_one_who_lacks_none_is_left_out() -> None:
    taken = np.ones((3, 500), dtype=np.float32)
    taken[1, 321] = 0
    taken[2, 1:] = 0
    user, _, negative = drawn(TripleSampler(csr_matrix(taken), 7))
    assert set(user) == {1, 2}
    assert (negative[user == 1] == 321).all()
    assert (negative[user == 2] > 0).all()


def test_every_choice_is_as_likely_as_it_should_be() -> None:
    taken = np.zeros((2, 10), dtype=np.float32)
    taken[0, [0, 3, 4]] = 1
    taken[1, [0, 1, 2, 5, 6, 7, 8]] = 1  # item 9 is in nobody's profile, so it is no negative either
    sampler = TripleSampler(csr_matrix(taken), 0)
    epochs = [drawn(sampler, number) for number in range(2000)]
    user, positive, negative = (np.concatenate(column) for column in zip(*epochs, strict=True))
    assert abs((user == 0).mean() - 0.5) < 0.02
    first = user == 0
    assert np.abs(np.bincount(positive[first], minlength=10)[[0, 3, 4]] / first.sum() - 1 / 3).max() < 0.02
    shares = np.bincount(negative[first], minlength=10) / first.sum()
    assert np.abs(shares[[1, 2, 5, 6, 7, 8]] - 1 / 6).max() < 0.02
    assert shares[9] == 0
    assert set(negative[~first]) == {3, 4}


def test_seed_and_epoch_decide_the_triples() -> None:
    train = matrix(20, 50, 0.2, 1)
    one, same, other = TripleSampler(train, 1), TripleSampler(train, 1), TripleSampler(train, 2)
    assert all(map(np.array_equal, drawn(one, 3), drawn(same, 3)))
    assert not np.array_equal(drawn(one, 3)[2], drawn(one, 4)[2])
    assert not np.array_equal(drawn(one, 3)[2], drawn(other, 3)[2])


def test_unsorted_and_doubled_entries_are_one_interaction() -> None:
    doubled = csr_matrix((np.ones(4), [4, 2, 4, 0], [0, 3, 4]), shape=(2, 6))
    sampler = TripleSampler(doubled, 0)
    assert sampler.size == 3
    assert doubled.nnz == 4  # the caller's matrix stays as it was
    user, _, negative = drawn(sampler)
    assert set(negative[user == 0]) <= {0}


def test_a_batch_is_a_slice_and_the_last_one_is_shorter() -> None:
    triples = TripleSampler(matrix(20, 50, 0.2, 1), 1).epoch(0)
    sizes = [len(triples.batch(start, 64).users) for start in range(0, len(triples.users), 64)]
    assert sum(sizes) == len(triples.users)
    assert sizes[:-1] == [64] * (len(sizes) - 1)
