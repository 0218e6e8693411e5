"""A small network in place of the inner product, over latent and visual factors."""

from __future__ import annotations

from copy import copy
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.config import Layers, VisualConfig, Weight
from elliot_advrec.recommenders.bpr.features import Features, as_tensor
from elliot_advrec.recommenders.bpr.network import Initial, Network, half_squares, without_cold
from elliot_advrec.recommenders.bpr.pairwise import PairwiseRecommender, on_cpu
from elliot_advrec.recommenders.bpr.sampling import Triples, TripleSampler
from elliot_advrec.recommenders.embeddings import check_embeddings, check_width, last_of_each


class VNPRConfig(VisualConfig):
    """Settings of ``VNPR``."""

    mf_factors: Annotated[int, Field(ge=1)] = 10
    """Latent factors of users and items."""
    mlp_hidden_size: Layers = (32, 1)
    """Units of each layer, the last one 1."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of a layer's input that is dropped in training."""
    lr: Annotated[float, Field(gt=0)] = 0.001
    """Learning rate of Adam."""
    l_w: Weight = 0.001
    """L2 penalty of the latent factors that a triple holds."""
    l_v: Weight = 0.001
    """L2 penalty of the visual factors that a triple holds, and of the layers."""


class VNPRNetwork(Network):
    """Users (U, K), visual users (U, D), items (N, K), and the layers' weights and biases."""

    config: VNPRConfig
    users: nn.Parameter
    visual_users: nn.Parameter
    items: nn.Parameter

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Weight (out, in) and bias (out,) of each layer."""
        return [
            (cast(Tensor, getattr(self, f"weight{number}")), cast(Tensor, getattr(self, f"bias{number}")))
            for number in range(len(self.config.mlp_hidden_size))
        ]

    def loss(self, triples: Triples) -> Tensor:
        assert self.features is not None
        user, look = self.users[triples.users], self.visual_users[triples.users]
        taken, not_taken = self.items[triples.positives], self.items[triples.negatives]
        better = self._score(torch.cat([user * taken, look * self.features.rows(triples.positives)], dim=1))
        worse = self._score(
            torch.cat([user * not_taken, look * self.features.rows(triples.negatives)], dim=1)
        )
        return (
            functional.softplus(worse - better).sum()
            + self.config.l_w * half_squares(user, taken, not_taken)
            + self.config.l_v * half_squares(look, *(part for layer in self.layers() for part in layer))
        )

    def _score(self, joined: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(self.layers()):
            dropped = functional.dropout(joined, self.config.dropout, self.training)
            joined = functional.linear(dropped, weight, bias)
            if number < len(self.config.mlp_hidden_size) - 1:
                joined = functional.relu(joined)
        return joined[:, 0]

    def user_scores(self, user: int, joined: Tensor) -> Tensor:
        """(n,) scores of one user for items [q_i, f_i] given as (K + D, n).

        The first layer of [p * q_i, v * f_i] is the layer with its columns scaled by [p, v], times
        [q_i, f_i]: one product for all items.
        """
        layers = [(weight.to(joined), bias.to(joined)) for weight, bias in self.layers()]
        scale = torch.cat([self.users[user], self.visual_users[user]]).to(joined)
        found = (layers[0][0] * scale) @ joined + layers[0][1][:, None]
        for weight, bias in layers[1:]:
            found = weight @ functional.relu(found) + bias[:, None]
        return found[0]


class VNPR(PairwiseRecommender):
    """Layers over the products of a user's latent and visual factors with an item's, trained on pairs.

    Niu, Caverlee & Lu 2018, "Neural Personalized Ranking for Image Recommendation": score(u, i) =
    MLP([p_u * q_i, v_u * f_i]), ReLU between the layers. Both items of a triple go through the same layers
    and the last one has no ReLU. (Elliot has one set of layers for positives and one for negatives, whose
    difference can be made large by a constant, without learning anything about any user.) The features are
    those of the extractor; Elliot's are reduced by PCA beforehand.
    """

    config_class = VNPRConfig
    config: VNPRConfig
    uses_images: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    _learned: VNPRNetwork

    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        users, items = interactions.train.shape
        features = check_embeddings(embeddings, items, "VNPR")
        config, width = self.config, features.shape[1]
        tensors = {
            "users": initial.glorot("users", users, config.mf_factors),
            "visual_users": initial.glorot("visual users", users, width),
            "items": without_cold(initial.glorot("items", items, config.mf_factors), sampler.items),
        }
        wide = config.mf_factors + width
        for number, units in enumerate(config.mlp_hidden_size):
            tensors[f"weight{number}"] = initial.glorot(f"weight{number}", units, wide)
            tensors[f"bias{number}"] = torch.zeros(units)
            wide = units
        return VNPRNetwork(config, tensors, Features(features, device))

    def _take(self, network: Network) -> None:
        learned: Any = on_cpu(network)
        self._learned = learned
        with torch.no_grad():
            # What every user's product is with: computed once, item by item in columns.
            self._joined = torch.cat([learned.items, learned.features.host], dim=1).t().contiguous()

    def scores(self, users: np.ndarray) -> Tensor:
        with torch.no_grad():
            found = [self._learned.user_scores(int(user), self._joined) for user in users]
        return torch.stack(found) if found else torch.empty(0, self._joined.shape[1])

    def with_items(self, rows: np.ndarray, embeddings: np.ndarray) -> VNPR:
        """The same weights over a catalog with these items changed."""
        rows, new = last_of_each(rows, check_embeddings(embeddings, len(rows), "VNPR", width=self._width))
        changed = copy(self)
        changed._joined = self._joined.clone()
        latent = len(self._joined) - self._width
        changed._joined[latent:, torch.from_numpy(rows)] = as_tensor(np.ascontiguousarray(new)).t()
        return changed

    @property
    def _width(self) -> int:
        return self._learned.visual_users.shape[1]

    def item_scores(self, users: np.ndarray, rows: np.ndarray, embeddings: Tensor) -> Tensor:
        if embeddings.ndim != 2 or len(embeddings) != len(rows):
            raise ValueError(f"embeddings must be ({len(rows)}, D), got {tuple(embeddings.shape)}")
        check_width(embeddings.shape[1], self._width, "VNPR")
        latent = self._learned.items[torch.from_numpy(np.asarray(rows, dtype=np.int64))].to(embeddings)
        joined = torch.cat([latent, embeddings], dim=1).t()
        found = [self._learned.user_scores(int(user), joined) for user in users]
        return torch.stack(found) if found else embeddings.new_zeros(0, len(rows))

    def _state(self) -> dict[str, np.ndarray]:
        tensors = {**self._learned.state_dict(), "joined": self._joined}
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        self._joined = tensors.pop("joined")
        self._learned = VNPRNetwork(self.config, tensors)
        self._learned.eval().requires_grad_(False)
