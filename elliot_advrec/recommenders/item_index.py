"""Nearest items by inner product of unit vectors: exact (faiss or torch) or through an HNSW graph (faiss)."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

BLOCK = 1024


class Searcher(Protocol):
    """Finds, for each query, the rows whose vectors have the largest inner product with it."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """(B, D) float32 unit queries -> (B, k) int64 rows, best first, -1 where fewer were found."""
        ...


class FaissFlat:
    """Exact search with faiss, straight over the array, so no second copy of it is held.

    Args:
        vectors: (N, D) float32 unit rows.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        faiss = _faiss()
        _, ids = faiss.knn(np.ascontiguousarray(queries), self._vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        return np.asarray(ids)


class TorchFlat:
    """Exact search with torch, for other devices and where faiss is missing.

    Args:
        vectors: (N, D) float32 unit rows.
        device: where the products are taken.
    """

    def __init__(self, vectors: np.ndarray, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._vectors = torch.from_numpy(vectors)

    @cached_property
    def _transposed(self) -> torch.Tensor:
        return self._vectors.to(self._device).T

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found = [np.empty((0, k), dtype=np.int64)]
        for start in range(0, len(queries), BLOCK):
            block = torch.from_numpy(queries[start : start + BLOCK]).to(self._device)
            found.append((block @ self._transposed).topk(k).indices.cpu().numpy())
        return np.vstack(found)


class FaissHNSW:
    """Approximate search in a hierarchical navigable small world graph (Malkov & Yashunin 2018).

    Threads insert concurrently, so two builds may differ in a few edges; recall does not.

    Args:
        vectors: (N, D) float32 unit rows.
        m: edges a node keeps on each level.
        ef_construction: candidates looked at while inserting.
        ef_search: candidates looked at while searching, at least.
    """

    def __init__(self, vectors: np.ndarray, m: int, ef_construction: int, ef_search: int) -> None:
        self._vectors, self._m = vectors, m
        self._ef_construction, self._ef_search = ef_construction, ef_search

    @cached_property
    def _index(self) -> Any:
        # Built when first searched: a recommender read from disk has its lists and may never search.
        faiss = _faiss()
        index = faiss.IndexHNSWFlat(self._vectors.shape[1], self._m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self._ef_construction
        index.add(self._vectors)
        return index

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        index = self._index
        index.hnsw.efSearch = max(self._ef_search, 2 * k)
        _faiss()
        return np.asarray(index.search(np.ascontiguousarray(queries), k)[1])


def has_faiss() -> bool:
    """Whether faiss can be imported."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def _faiss() -> Any:
    import faiss

    # faiss brings an OpenMP pool of its own; it must not use more cores than torch was allowed.
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
