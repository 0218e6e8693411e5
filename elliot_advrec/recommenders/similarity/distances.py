"""Similarities 1 / (1 + distance): every pair has one, so they take time with the square of the items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances

from elliot_advrec.errors import UserError

Distance = Literal[
    "euclidean", "manhattan", "cityblock", "l1", "l2", "braycurtis", "canberra", "chebyshev", "correlation",
    "dice", "hamming", "jaccard", "mahalanobis", "minkowski", "rogerstanimoto", "russellrao", "seuclidean",
    "sokalsneath", "sqeuclidean", "yule",
]  # fmt: skip
SPARSE = ("euclidean", "l2", "manhattan", "cityblock", "l1")
BOOLEAN = ("dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule")
#: Pairs of one block.
PAIRS = 1 << 23
#: Numbers of a dense matrix of item vectors, in float64: 2 GB.
DENSE = 1 << 28


def distance_blocks(vectors: csr_matrix, metric: Distance) -> Iterator[np.ndarray]:
    """(b, n) similarities 1 / (1 + distance) of all items to items start, start + 1, ...

    An item has similarity 1 to itself. A distance that is not defined, such as the correlation with a
    constant vector, counts as infinite: similarity 0.

    Args:
        vectors: (n, U) float32.
        metric: a name of scikit-learn (sparse) or SciPy (dense).

    Raises:
        UserError: the metric needs a dense matrix larger than 2 GB, or more items than users.
    """
    items = vectors.shape[0]
    options: dict[str, Any] = {}
    dense = np.empty((0, 0)) if metric in SPARSE else _dense(vectors, metric)
    if metric == "seuclidean":
        options["V"] = dense.var(axis=0, ddof=1)
    elif metric == "mahalanobis":
        options["VI"] = _inverse_covariance(dense)
    step = max(1, PAIRS // items)
    for start in range(0, items, step):
        rows = slice(start, min(start + step, items))
        if metric in SPARSE:
            distance = pairwise_distances(vectors[rows], vectors, metric=metric)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                distance = cdist(dense[rows], dense, metric, **options)
        distance[np.arange(len(distance)), np.arange(rows.start, rows.stop)] = 0
        distance[np.isnan(distance)] = np.inf
        yield 1 / (1 + distance)


def _dense(vectors: csr_matrix, metric: Distance) -> np.ndarray:
    items, users = vectors.shape
    if items * users > DENSE:
        raise UserError(
            f"similarity '{metric}' needs a dense matrix of {items} items x {users} users,"
            f" {items * users * 8 / 1e9:.0f} GB",
            remedy="use cosine, dot, euclidean or manhattan, or implementation: aiolli",
        )
    return np.asarray(vectors.toarray(), dtype=bool if metric in BOOLEAN else np.float64)


def _inverse_covariance(dense: np.ndarray) -> np.ndarray:
    """(U, U) inverse covariance of the users' ratings over the items."""
    covariance = np.atleast_2d(np.cov(dense.T))
    if np.linalg.matrix_rank(covariance) < len(covariance):
        raise UserError(
            f"{dense.shape[0]} items are too few for similarity 'mahalanobis' with {dense.shape[1]} users:"
            " their covariance has no inverse",
            remedy="use cosine",
        )
    return np.asarray(np.linalg.inv(covariance).T)
