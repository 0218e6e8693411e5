"""Test triples: a user, an item that it took after training, and some that it never took."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.negative_draws import draw_absent
from elliot_advrec.errors import UserError
from elliot_advrec.seeding import stream_seed


class Triples(NamedTuple):
    """m users, each with its items."""

    users: np.ndarray
    """(m,) int64 user rows, distinct."""
    items: np.ndarray
    """(m, 1 + negatives) int64 item rows: the test item, then those that the user has in no part."""


def draw_triples(
    interactions: Interactions, users: int, negatives: int, seed: int, *, known_only: bool = False
) -> Triples:
    """A test item and ``negatives`` items without interaction for each of some random users.

    The first m users of a larger draw, and all that belongs to them, are the draw of m.

    Args:
        interactions: whose test part is looked at; test items that the user trained on are left out.
        users: how many at most.
        negatives: of each user, drawn evenly from the items that it has in no part.
        seed: decides who and which.
        known_only: whether items without a training row are left out.

    Raises:
        UserError: no user has both a test item and enough items that it does not know.
    """
    columns = np.arange(interactions.train.shape[1])
    if known_only:
        columns = np.flatnonzero(interactions.trained())
    train, test = _stored(interactions.train), _stored(interactions.test)
    held = (test - test.multiply(train)).tocsr()[:, columns]
    held.eliminate_zeros()
    known = train + test
    if interactions.validation is not None:
        known = known + _stored(interactions.validation)
    known = known.tocsr()[:, columns]
    enough = len(columns) - np.diff(known.indptr) >= negatives
    able = np.flatnonzero(enough & (np.diff(held.indptr) > 0))
    if not len(able):
        raise UserError(
            f"no user has a test item and {negatives} items that it never took",
            where="negatives" if held.nnz else "splitting",
            remedy="ask for fewer negatives" if held.nnz else "hold out a test item of some users",
        )
    chosen = np.random.default_rng(stream_seed(seed, "users")).permutation(able)[:users]
    # One number a user, in the order of the users: a shorter draw takes the first ones.
    place = np.random.default_rng(stream_seed(seed, "positives")).random(len(chosen))
    first, count = held.indptr[chosen].astype(np.int64), np.diff(held.indptr)[chosen]
    held.sort_indices()
    positive = held.indices[first + (place * count).astype(np.int64)]
    own = known[chosen]
    own.sort_indices()
    absent = draw_absent(own, negatives, Random(stream_seed(seed, "negatives")))
    drawn = np.concatenate([positive[:, None], absent.indices.reshape(len(chosen), negatives)], axis=1)
    return Triples(chosen.astype(np.int64), columns[drawn].astype(np.int64))


def _stored(matrix: csr_matrix) -> csr_matrix:
    """(U, N) int32 with a 1 for every stored entry, whatever its rating, so that sums lose none."""
    ones = np.ones(matrix.nnz, np.int32)
    return csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
