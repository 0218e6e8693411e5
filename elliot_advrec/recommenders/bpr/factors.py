"""Recommenders whose score is a product of a user's factors and an item's, plus the item's bias."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.features import as_tensor
from elliot_advrec.recommenders.bpr.fold_in import learn_users
from elliot_advrec.recommenders.bpr.network import Network
from elliot_advrec.recommenders.bpr.pairwise import PairwiseRecommender, on_cpu
from elliot_advrec.recommenders.bpr.products import rowwise
from elliot_advrec.recommenders.embeddings import check_embeddings, check_width, last_of_each

PARAMETER = "parameter/"


class Side(NamedTuple):
    """The item side of a score: factors (n, R) and bias (n,)."""

    factors: Tensor
    bias: Tensor


class FactorNetwork(Network):
    """A network that factors can be read from.

    Its first dimension ``width`` of features is that of the embeddings; None where it uses none.
    """

    width: int | None = None

    @property
    @abstractmethod
    def user_penalty(self) -> float:
        """L2 penalty of a user's factors in each of its triples: half of it times their squared length."""

    @abstractmethod
    def user_side(self) -> Tensor:
        """(U, R) factors of all users."""

    @abstractmethod
    def item_side(self, rows: Tensor, features: Tensor) -> Side:
        """Factors and bias of items that had these features; differentiable in them.

        Args:
            rows: (n,) items.
            features: (n, D) of any floating type, which the result has as well.
        """


class FactorRecommender(PairwiseRecommender):
    """score(u, i) = users[u] . items[i] + bias[i], with the item side computed once after training.

    Authors write ``_network`` and name ``network_class``.
    """

    network_class: ClassVar[type[FactorNetwork]]
    _learned: FactorNetwork

    def _take(self, network: Network) -> None:
        learned: Any = on_cpu(network)
        with torch.no_grad():
            self._learned = learned
            self._users = learned.user_side().detach().clone()
            self._set(self._all_items(learned))

    def _all_items(self, network: FactorNetwork) -> Side:
        """The item side of the whole catalog, in blocks of rows, so that features may lie in a file."""
        count = len(network.items)  # type: ignore[arg-type]
        features = torch.empty(count, 0) if network.features is None else network.features.host
        return network.item_side(torch.arange(count), features)

    def _set(self, side: Side) -> None:
        # Transposed once, because a product with a contiguous right side is the fastest.
        self._items, self._bias = side.factors.t().contiguous(), side.bias.contiguous()

    def scores(self, users: np.ndarray) -> Tensor:
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64))
        with torch.no_grad():
            return rowwise(self._users[rows], self._items).add_(self._bias)

    def with_items(self, rows: np.ndarray, embeddings: np.ndarray) -> FactorRecommender:
        """The same weights over a catalog with these items changed; the others' factors are kept.

        Raises:
            UserError: embeddings of another extractor, of another number, or not finite.
        """
        if not self.uses_images:
            return self
        name = type(self).__name__
        rows, new = last_of_each(
            rows, check_embeddings(embeddings, len(rows), name, width=self._learned.width)
        )
        places = torch.from_numpy(rows)
        changed = copy(self)
        with torch.no_grad():
            side = self._learned.item_side(places, as_tensor(np.ascontiguousarray(new)))
            changed._items, changed._bias = self._items.clone(), self._bias.clone()
            changed._items[:, places], changed._bias[places] = side.factors.t(), side.bias
        return changed

    def fold_in(
        self, profiles: csr_matrix, interactions: Interactions, *, seed: int = 42
    ) -> FactorRecommender:
        changed = copy(self)
        changed._users = learn_users(
            profiles,
            interactions,
            self._items.t().contiguous(),
            self._bias,
            self.config,
            self.optimiser,
            self._learned.user_penalty,
            seed,
        )
        return changed

    def user_factors(self) -> np.ndarray:
        """(U, R) float32."""
        return self._users.numpy()

    def item_side(self, rows: np.ndarray, embeddings: Tensor) -> Side:
        """Factors (n, R) and bias (n,) that items would have with these embeddings; differentiable in them.

        Raises:
            UserError: the embeddings are not as wide as those of the fit.
        """
        if embeddings.ndim != 2 or len(embeddings) != len(rows):
            raise ValueError(f"embeddings must be ({len(rows)}, D), got {tuple(embeddings.shape)}")
        check_width(embeddings.shape[1], self._learned.width, type(self).__name__)
        return self._learned.item_side(torch.from_numpy(np.asarray(rows, dtype=np.int64)), embeddings)

    def item_scores(self, users: np.ndarray, rows: np.ndarray, embeddings: Tensor) -> Tensor:
        if not self.differentiable:
            return super().item_scores(users, rows, embeddings)
        side = self.item_side(rows, embeddings)
        factors = self._users[torch.from_numpy(np.asarray(users, dtype=np.int64))].to(side.factors)
        return rowwise(factors, side.factors.t()) + side.bias

    def _state(self) -> dict[str, np.ndarray]:
        learned = {PARAMETER + name: tensor for name, tensor in self._learned.state_dict().items()}
        computed = {"users": self._users, "items": self._items, "bias": self._bias}
        return {name: tensor.numpy() for name, tensor in {**learned, **computed}.items()}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        self._users, self._items, self._bias = (tensors[name] for name in ("users", "items", "bias"))
        self._learned = self._rebuilt(
            {name.removeprefix(PARAMETER): t for name, t in tensors.items() if name.startswith(PARAMETER)}
        )
        self._learned.eval().requires_grad_(False)

    def _rebuilt(self, tensors: Mapping[str, Tensor]) -> FactorNetwork:
        return self.network_class(self.config, tensors)
