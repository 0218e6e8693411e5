"""The neighbourhood recommender: an item is recommended by the items it shares users with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import torch
from pydantic import Field, model_validator
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.recommenders.similarity.distances import Distance, distance_blocks
from elliot_advrec.recommenders.similarity.overlap import Aiolli, aiolli, standard
from elliot_advrec.recommenders.similarity.strongest import strongest, strongest_of_all

KNOWN = {
    "standard": ("cosine", "dot", *get_args(Distance)),
    "classical": ("cosine", "dot", *get_args(Distance)),
    "aiolli": get_args(Aiolli),
}
GONE = {
    "haversine": "measures points on a sphere, not ratings",
    "chi2": "fails on sparse ratings, in Elliot as well",
    "kulsinski": "is no longer in SciPy",
    "sokalmichener": "is no longer in SciPy; rogerstanimoto is the same",
}


class ItemKNNConfig(Config):
    """Settings of ``ItemKNN``, with Elliot's names and defaults."""

    neighbors: int = Field(default=40, ge=1)
    """Nearest items that each item keeps; with ``standard`` it is one of them itself."""
    similarity: str = "cosine"
    """``standard``: cosine, dot, or 1 / (1 + distance) for a distance of scikit-learn or SciPy. ``aiolli``:
    cosine, adjusted, asymmetric, pearson, jaccard, tanimoto, dice, tversky."""
    implementation: Literal["standard", "classical", "aiolli"] = "standard"
    """Which of Elliot's two; ``classical`` is Elliot's other name of ``standard``."""
    implicit: bool = False
    """Take every stored rating as 1."""
    shrink: float = Field(default=0, ge=0)
    """Added to the denominator, which favours pairs with many users; ``aiolli`` alone."""
    normalize: bool = True
    """Divide by the items' lengths; ``aiolli`` alone."""
    asymmetric_alpha: float = Field(default=0, ge=0, le=1)
    """Weight of the item's own length with ``asymmetric``; 0.5 is the cosine."""
    tversky_alpha: float = Field(default=0, ge=0)
    """Weight of users of the item alone with ``tversky``."""
    tversky_beta: float = Field(default=0, ge=0)
    """Weight of users of the neighbour alone with ``tversky``."""
    row_weights: tuple[float, ...] | None = Field(default=None, min_length=1)
    """What each user counts, in order of first appearance in training; ``aiolli`` alone."""

    @model_validator(mode="after")
    def _known(self) -> ItemKNNConfig:
        known = KNOWN[self.implementation]
        if self.similarity in known:
            return self
        other = "aiolli" if self.implementation != "aiolli" else "standard"
        said = f"unknown similarity '{self.similarity}' with implementation '{self.implementation}'"
        if self.similarity in GONE:
            raise ValueError(f"similarity '{self.similarity}' {GONE[self.similarity]}; {nearest('', known)}")
        if self.similarity in KNOWN[other]:
            raise ValueError(f"{said}; set implementation: {other}")
        raise ValueError(f"{said}; {nearest(self.similarity, known)}")


class ItemKNN(Recommender):
    """Nearest neighbours by the users that items share; a user's items vote with rating times similarity.

    Item-to-item collaborative filtering (Linden, Smith & York 2003), equal to Elliot 0.3.1's to the last bit
    where the catalog is in Elliot's order of items: with N_k(i) the k items most similar to i and r the
    ratings, score(u, i) = sum over j in N_k(i) that u rated of r_uj s_ij. Neighbours are among items with a
    training entry, which are all that Elliot knows; any other item scores 0.
    """

    config_class = ItemKNNConfig

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        ratings = interactions.train.astype(np.float32)
        if self.config.implicit:
            ratings.data[:] = 1
        items = np.unique(ratings.indices)
        # Row i of what is found holds the neighbours of item i, whose votes it receives: column i of votes.
        found = vstack(list(self._neighbours(ratings[:, items])), format="csr")
        lengths = np.zeros(ratings.shape[1], dtype=np.int64)
        lengths[items] = np.diff(found.indptr)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        received = csr_matrix((found.data, items[found.indices], indptr), shape=(len(lengths), len(lengths)))
        self._ratings, self._votes = ratings, received.T.tocsr()

    def scores(self, users: np.ndarray) -> Tensor:
        return torch.from_numpy((self._ratings[np.asarray(users, dtype=np.int64)] @ self._votes).toarray())

    def _neighbours(self, ratings: csr_matrix) -> Iterator[csr_matrix]:
        """(b, n) float32 similarities of items to their neighbours, all n items in order."""
        config = self.config
        k = min(config.neighbors, ratings.shape[1])
        if config.implementation == "aiolli":
            overlap = aiolli(
                ratings,
                config.similarity,
                shrink=config.shrink,
                normalize=config.normalize,
                asymmetric_alpha=config.asymmetric_alpha,
                tversky_alpha=config.tversky_alpha,
                tversky_beta=config.tversky_beta,
                row_weights=self._row_weights(ratings.shape[0]),
            )
            yield from (strongest(block, k, against_zeros=True) for block in overlap.blocks())
        elif config.similarity in ("cosine", "dot"):
            yield from (strongest(block, k) for block in standard(ratings, config.similarity).blocks())
        else:
            for block in distance_blocks(ratings.T.tocsr(), config.similarity):
                yield strongest_of_all(block, k).astype(np.float32)

    def _row_weights(self, users: int) -> np.ndarray | None:
        weights = self.config.row_weights
        if weights is None:
            return None
        if len(weights) != users:
            raise UserError(f"row_weights has {len(weights)} entries for {users} users", where="ItemKNN")
        return np.asarray(weights, dtype=np.float32)

    def _state(self) -> dict[str, np.ndarray]:
        state: dict[str, Any] = {}
        for name, matrix in (("ratings", self._ratings), ("votes", self._votes)):
            state |= {f"{name}.data": matrix.data, f"{name}.indices": matrix.indices.astype(np.int64)}
            state |= {f"{name}.indptr": matrix.indptr.astype(np.int64)}
        return state

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        items = len(state["votes.indptr"]) - 1
        self._ratings, self._votes = (
            csr_matrix(
                tuple(state[f"{name}.{field}"] for field in ("data", "indices", "indptr")),
                shape=(len(state[f"{name}.indptr"]) - 1, items),
            )
            for name in ("ratings", "votes")
        )
