"""The k nearest of each item's possible neighbours, chosen as Elliot chooses them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def strongest(block: csr_matrix, k: int, *, against_zeros: bool = False) -> csr_matrix:
    """The k largest entries of each row that are not 0.

    Elliot leaves it to numpy's unstable sorts which of equal entries are among the k. What they choose
    depends on numpy and on the processor, so where it matters they are asked, with Elliot's own array: on one
    machine the choice is Elliot's.

    Args:
        block: (b, n); its stored zeros are dropped and its rows sorted in place.
        k: how many, at most n.
        against_zeros: whether what is not stored takes part with value 0, so that a negative entry is kept
            only where fewer than k others are there (and numpy partitions whole rows).
    """
    block.eliminate_zeros()
    block.sort_indices()
    sizes = np.diff(block.indptr)
    negative = block.data < 0
    if sizes.max(initial=0) <= k and not (against_zeros and negative.any()):
        return block
    row = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.empty(block.nnz, dtype=np.int64)
    rank[np.lexsort((block.data, row))] = block.indptr[1:][row] - 1 - np.arange(block.nnz)
    if against_zeros:
        rank += np.where(negative, block.shape[1] - sizes[row], 0)
    kept = rank < k
    last, next_one = np.full((2, len(sizes)), np.nan, dtype=block.dtype)
    last[row[rank == k - 1]], next_one[row[rank == k]] = block.data[rank == k - 1], block.data[rank == k]
    for tied in np.flatnonzero(last == next_one):
        at = slice(block.indptr[tied], block.indptr[tied + 1])
        values, columns = block.data[at], block.indices[at]
        if against_zeros:
            whole = np.zeros(block.shape[1], dtype=block.dtype)
            whole[columns] = values
            kept[at] = np.isin(columns, np.argpartition(-whole, k - 1)[:k])
        else:
            kept[at] = np.isin(np.arange(len(values)), np.argsort(values)[-k:])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(sizes)))])
    return csr_matrix((block.data[kept], block.indices[kept], indptr), shape=block.shape)


def strongest_of_all(block: np.ndarray, k: int) -> csr_matrix:
    """The same of a (b, n) array without NaN that is nowhere negative."""
    columns = np.sort(np.argsort(block, axis=1)[:, -k:], axis=1)
    values = np.take_along_axis(block, columns, axis=1)
    indptr = np.arange(len(block) + 1) * columns.shape[1]
    found = csr_matrix((values.ravel(), columns.ravel(), indptr), shape=block.shape)
    found.eliminate_zeros()
    return found
