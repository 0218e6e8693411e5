"""Similarities that are sums over the users two items share: of most pairs they are 0, and not computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.preprocessing import normalize as to_unit_length

Aiolli = Literal["cosine", "adjusted", "asymmetric", "pearson", "jaccard", "tanimoto", "dice", "tversky"]
BOOLEAN = ("jaccard", "tanimoto", "dice", "tversky")
#: Multiplications of one block: a bound on its entries.
WORK = 1 << 22
#: What Elliot adds to every denominator.
TINY = 1e-6

Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Overlap:
    """Products of item vectors, and what becomes of them.

    Args:
        left: (n, U) vectors of the items whose neighbours are sought.
        right: (U, n) vectors of the neighbours.
        weigh: (sums, item i, neighbour j) -> similarities, all (entries,).
        with_self: whether an item is a neighbour of itself.
    """

    left: csr_matrix
    right: csr_matrix
    weigh: Weigh
    with_self: bool

    def blocks(self) -> Iterator[csr_matrix]:
        """(b, n) float32 similarities of all items to items start, start + 1, ...; zeros may be stored."""
        partners = np.diff(self.right.indptr)
        work = np.add.reduceat(np.append(partners[self.left.indices], 0), self.left.indptr[:-1])
        work[np.diff(self.left.indptr) == 0] = 0
        number = (np.cumsum(work) - 1) // WORK
        edges = np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [len(work)]])
        for start, stop in pairwise(edges):
            block = (self.left[start:stop] @ self.right).astype(np.float32)
            own = np.repeat(np.arange(start, stop), np.diff(block.indptr))
            block.data = self.weigh(block.data, own, block.indices).astype(np.float32)
            if not self.with_self:
                block.data[own == block.indices] = 0
            yield block


def standard(ratings: csr_matrix, similarity: Literal["cosine", "dot"]) -> Overlap:
    """Elliot's standard implementation: the inner product, of unit vectors for the cosine; itself included.

    Args:
        ratings: (U, n) float32.
        similarity: which.
    """
    vectors = ratings.T.tocsr()
    if similarity == "cosine":
        vectors = to_unit_length(vectors)
    return Overlap(vectors, vectors.T.tocsr(), lambda values, own, other: values, with_self=True)


def aiolli(
    ratings: csr_matrix,
    similarity: Aiolli,
    *,
    shrink: float = 0,
    normalize: bool = True,
    asymmetric_alpha: float = 0,
    tversky_alpha: float = 0,
    tversky_beta: float = 0,
    row_weights: np.ndarray | None = None,
) -> Overlap:
    """Elliot's ``aiolli`` implementation, which is that of Ferrari Dacrema et al. (2019).

    With p the weighted product of items i and j, |.| their lengths (for boolean similarities: their users),
    and s the shrinkage: cosine, adjusted (users' means removed) and pearson (items' means removed) are
    p / (|i| |j| + s); asymmetric is p / (|i|^2a |j|^(2 - 2a) + s) (Aiolli 2013); jaccard and tanimoto are
    p / (|i| + |j| - p + s); dice is p / (|i| + |j| + s), half of what the name promises; tversky is
    p / (p + a (|i| - p) + b (|j| - p) + s). Without ``normalize`` p is divided by s alone, where s is not 0.
    An item is never its own neighbour.

    Args:
        ratings: (U, n) float32.
        similarity: which.
        shrink: s.
        normalize: whether p is divided by lengths; of no meaning to boolean similarities.
        asymmetric_alpha: a of asymmetric.
        tversky_alpha: a of tversky.
        tversky_beta: b of tversky.
        row_weights: (U,) what each user's share of p is multiplied with.
    """
    columns = _centred(ratings, similarity).tocsc()
    boolean = similarity in BOOLEAN
    if boolean:
        columns.data = np.ones_like(columns.data)
    length = np.asarray(columns.power(2).sum(axis=0)).ravel()
    if not boolean:
        length = np.sqrt(length)

    def weigh(values: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        if similarity in ("jaccard", "tanimoto"):
            size = length[own] + length[other] - values
        elif similarity == "dice":
            size = length[own] + length[other]
        elif similarity == "tversky":
            alone, others = length[own] - values, length[other] - values
            size = values + alone * tversky_alpha + others * tversky_beta
        elif not normalize:
            return values / shrink if shrink else values
        elif similarity == "asymmetric":
            first = np.power(length, 2 * asymmetric_alpha)
            size = first[own] * np.power(length, 2 * (1 - asymmetric_alpha))[other]
        else:
            size = length[own] * length[other]
        return np.multiply(values, 1 / (size + shrink + TINY))

    vectors = columns.T.tocsr()
    right = columns.tocsr() if row_weights is None else diags(row_weights).dot(columns).tocsr()
    return Overlap(vectors, right, weigh, with_self=False)


def _centred(ratings: csr_matrix, similarity: Aiolli) -> csr_matrix:
    """The ratings less the mean of each user's (adjusted) or each item's (pearson) stored ones."""
    if similarity not in ("adjusted", "pearson"):
        return ratings.copy()
    rows = (ratings if similarity == "adjusted" else ratings.T).tocsr().copy()
    sizes = np.diff(rows.indptr)
    mean = np.asarray(rows.sum(axis=1)).ravel() / np.maximum(sizes, 1).astype(np.float32)
    rows.data -= np.repeat(mean, sizes).astype(np.float32)
    return rows if similarity == "adjusted" else rows.T.tocsr()
