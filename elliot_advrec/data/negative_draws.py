"""Drawing entries that a sparse matrix does not hold, with Elliot's random numbers."""

from __future__ import annotations

from random import Random

import numpy as np
from scipy.sparse import csr_matrix


def marks(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """Bool matrix, indices sorted, of the (row, column) pairs; those with a negative number are left out."""
    known = (rows >= 0) & (columns >= 0)
    made = csr_matrix((np.ones(int(known.sum()), bool), (rows[known], columns[known])), shape=shape)
    made.sum_duplicates()
    return made


def draw_absent(known: csr_matrix, count: int, stream: Random) -> csr_matrix:
    """``count`` entries of each row that ``known`` does not hold, each of them equally likely.

    Args:
        known: (R, C) with sorted indices.
        count: at most the absent entries of any row.
        stream: takes, row by row, the numbers that ``sample`` over the absent columns takes, as in Elliot.

    Returns:
        (R, C) bool.
    """
    rows, width = known.shape
    sizes = np.diff(known.indptr).astype(np.int64)
    # What a row takes from the stream depends on the numbers before, so rows are drawn one by one.
    places = np.empty((rows, count), np.int64)
    for row, free in enumerate((width - sizes).tolist()):
        places[row] = stream.sample(range(free), count)
    # Place p among a row's absent columns is column p + (number of known columns before it). Known column c
    # with j known ones before it has c - j absent ones before it, so it comes before place p if c - j <= p.
    starts = known.indptr[:-1].astype(np.int64)
    absent_before = known.indices - (np.arange(known.nnz) - np.repeat(starts, sizes))
    numbers = np.arange(rows)
    keys = absent_before + np.repeat(numbers, sizes) * (width + 1)
    passed = np.searchsorted(keys, places + numbers[:, None] * (width + 1), side="right") - starts[:, None]
    return marks(np.repeat(numbers, count), (places + passed).ravel(), (rows, width))
