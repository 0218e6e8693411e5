"""The content recommender: items vote for the items that look like them."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.recommenders.embeddings import BLOCK, check_embeddings, last_of_each, unit
from elliot_advrec.recommenders.item_index import FaissFlat, FaissHNSW, Searcher, TorchFlat, has_faiss
from elliot_advrec.recommenders.neighbours import TOLERANCE, Neighbours

FLAT_BELOW = 50_000


class ContentKNNConfig(Config):
    """Settings of ``ContentKNN``."""

    neighbors: int = Field(default=50, ge=1)
    """Nearest items that each training item votes for."""
    aggregate: Literal["mean", "max"] = "mean"
    """How votes become a score: their sum over the number of training items (mean), or the best one (max)."""
    index: Literal["auto", "flat", "hnsw"] = "auto"
    """Exact search (flat), an approximate graph (hnsw), or flat below 50,000 items and hnsw above (auto)."""
    M: int = Field(default=32, ge=2, le=512)
    """hnsw: edges a node keeps on each level."""
    ef_construction: int = Field(default=200, ge=1)
    """hnsw: candidates looked at while inserting."""
    ef_search: int = Field(default=256, ge=1)
    """hnsw: candidates looked at while searching, at least."""


class ContentKNN(Recommender):
    """Nearest neighbours by cosine of the image embedding; a user's items vote with their similarity.

    Stage 2 of Tuinhof, Pirker & Haltmeier (2018). With N_k(j) the k nearest items of j and I_u the user's
    training items: score(u, i) = sum over j in I_u with i in N_k(j) of cos(j, i) / |I_u|, or the maximum
    of those cosines. An item without votes scores 0.
    """

    config_class = ContentKNNConfig
    uses_images: ClassVar[bool] = True

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        train = interactions.train
        vectors = unit(check_embeddings(embeddings, train.shape[1], "ContentKNN"))
        self._device = torch.device(device)
        self._train = _ones(train.indices, train.indptr, train.shape[1])
        self._neighbours = Neighbours(vectors, self._searcher(vectors))
        # Only items of a profile vote, so only their lists are ever needed.
        self._rows = np.unique(train.indices).astype(np.int64)
        self._ids, self._similarity = self._neighbours.nearest(self._rows, self.config.neighbors)
        self._votes = self._vote_matrix()

    def neighbours(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest items of any items, themselves excluded.

        Args:
            rows: (B,) item rows.
            k: length of the lists; at most N - 1 are there.

        Returns:
            (B, k) int64 item rows, best first and equal ones by row, and their (B, k) float32 cosines.
        """
        return self._neighbours.nearest(np.asarray(rows, dtype=np.int64), k)

    def scores(self, users: np.ndarray) -> Tensor:
        profiles = self._train[np.asarray(users, dtype=np.int64)]
        sizes = np.maximum(np.diff(profiles.indptr), 1).astype(np.float32)
        if self.config.aggregate == "mean":
            return torch.from_numpy((profiles @ self._votes).toarray() / sizes[:, None])
        block = np.full(profiles.shape, -np.inf, dtype=np.float32)
        for row in range(len(sizes)):
            votes = self._votes[profiles.indices[profiles.indptr[row] : profiles.indptr[row + 1]]]
            np.maximum.at(block[row], votes.indices, votes.data)
        block[np.isneginf(block)] = 0
        return torch.from_numpy(block)

    def with_items(self, rows: np.ndarray, embeddings: np.ndarray) -> ContentKNN:
        """The recommender over the catalog with these items changed; exact wherever the index is.

        Lists that lost a member are searched again in the old index; all others only let the changed items
        compete for a place.
        """
        width = self._neighbours.base.shape[1]
        rows, vectors = last_of_each(
            rows, unit(check_embeddings(embeddings, len(rows), "ContentKNN", width=width))
        )
        changed = copy(self)
        changed._neighbours = self._neighbours.replaced(rows, vectors)
        if not len(rows):
            return changed
        search = np.isin(self._rows, rows) | np.isin(self._ids, rows).any(axis=1)
        gains = ~search & self._reached_by(vectors)
        changed._ids, changed._similarity = self._ids.copy(), self._similarity.copy()
        changed._ids[search], changed._similarity[search] = changed._neighbours.nearest(
            self._rows[search], self._ids.shape[1]
        )
        changed._ids[gains], changed._similarity[gains] = changed._neighbours.merged(
            self._rows[gains], self._ids[gains], rows
        )
        changed._votes = changed._vote_matrix()
        return changed

    def fold_in(self, profiles: csr_matrix, interactions: Interactions, *, seed: int = 42) -> ContentKNN:
        changed = copy(self)
        changed._train = _ones(profiles.indices, profiles.indptr, profiles.shape[1])
        changed._rows = np.unique(profiles.indices).astype(np.int64)
        changed._ids, changed._similarity = self._neighbours.nearest(changed._rows, self.config.neighbors)
        changed._votes = changed._vote_matrix()
        return changed

    def _reached_by(self, vectors: np.ndarray) -> np.ndarray:
        """(Q,) which lists one of these unit vectors would enter, give or take rounding."""
        last = self._similarity[:, -1] if self._similarity.shape[1] else np.full(len(self._rows), np.inf)
        best = [
            (self._neighbours.of(self._rows[start : start + BLOCK]) @ vectors.T).max(axis=1)
            for start in range(0, len(self._rows), BLOCK)
        ]
        return np.concatenate(best) >= last - TOLERANCE

    def _searcher(self, vectors: np.ndarray) -> Searcher:
        flat = self.config.index == "flat" or (self.config.index == "auto" and len(vectors) < FLAT_BELOW)
        if not has_faiss() or (flat and self._device.type != "cpu"):
            return TorchFlat(vectors, self._device)
        if flat:
            return FaissFlat(vectors)
        return FaissHNSW(vectors, self.config.M, self.config.ef_construction, self.config.ef_search)

    def _vote_matrix(self) -> csr_matrix:
        """(N, N) cosines of each profile item to its neighbours."""
        items = self._train.shape[1]
        found = self._ids >= 0
        lengths = np.zeros(items, dtype=np.int64)
        lengths[self._rows] = found.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        return csr_matrix((self._similarity[found], self._ids[found], indptr), shape=(items, items))

    def _state(self) -> dict[str, np.ndarray]:
        everything: dict[str, Any] = {
            "vectors": self._neighbours.present(),
            "rows": self._rows,
            "ids": self._ids,
            "similarity": self._similarity,
            "indices": self._train.indices.astype(np.int64),
            "indptr": self._train.indptr.astype(np.int64),
        }
        return everything

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._device = torch.device("cpu")
        vectors = state["vectors"]
        self._train = _ones(state["indices"], state["indptr"], len(vectors))
        self._neighbours = Neighbours(vectors, self._searcher(vectors))
        self._rows, self._ids, self._similarity = state["rows"], state["ids"], state["similarity"]
        self._votes = self._vote_matrix()


def _ones(indices: np.ndarray, indptr: np.ndarray, items: int) -> csr_matrix:
    """(U, N) with a 1 for every stored training entry, whatever its rating."""
    return csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(indptr) - 1, items))
