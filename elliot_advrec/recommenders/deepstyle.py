"""Style: what a picture shows beyond its category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders.bpr.config import VisualConfig, Weight
from elliot_advrec.recommenders.bpr.factors import FactorNetwork, FactorRecommender, Side
from elliot_advrec.recommenders.bpr.features import Features
from elliot_advrec.recommenders.bpr.network import Initial, Network, grad, half_squares, without_cold
from elliot_advrec.recommenders.bpr.products import rowwise
from elliot_advrec.recommenders.bpr.sampling import Triples, TripleSampler
from elliot_advrec.recommenders.embeddings import check_embeddings


class DeepStyleConfig(VisualConfig):
    """Settings of ``DeepStyle``."""

    factors: Annotated[int, Field(ge=1)] = 100
    """Factors of users, items and styles."""
    lr: Annotated[float, Field(gt=0)] = 0.0005
    """Learning rate of Adam."""
    l_w: Weight = 0.000025
    """L2 penalty of the factors that a triple holds."""


class DeepStyleNetwork(FactorNetwork):
    """Users (U, K), items (N, K), categories (C, K), projection (K, D), and each item's category (N,)."""

    config: DeepStyleConfig
    users: nn.Parameter
    items: nn.Parameter
    categories: nn.Parameter
    projection: nn.Parameter
    category: Tensor

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], features: Features | None = None) -> None:
        super().__init__(config, {name: t for name, t in tensors.items() if name != "category"}, features)
        self.register_buffer("category", tensors["category"])
        self.width = self.projection.shape[1]

    def loss(self, triples: Triples) -> Tensor:
        assert self.features is not None
        user = self.users[triples.users]
        taken, not_taken = self.items[triples.positives], self.items[triples.negatives]
        kind = self.categories[self.category[triples.positives]]
        other = self.categories[self.category[triples.negatives]]
        looks = self.features.rows(triples.positives) - self.features.rows(triples.negatives)
        preference = (user * (looks @ self.projection.t() - kind + other + taken - not_taken)).sum(1)
        return functional.softplus(-preference).sum() + self.config.l_w * half_squares(
            user, taken, not_taken, kind, other
        )

    @torch.no_grad()
    def gradients(self, triples: Triples) -> Tensor:
        assert self.features is not None
        weight, half = self.config.l_w, len(triples.users)
        both = torch.cat([triples.positives, triples.negatives])
        kinds = self.category.index_select(0, both)
        user = self.users.index_select(0, triples.users)
        items, styles = self.items.index_select(0, both), self.categories.index_select(0, kinds)
        looks = self.features.differences(triples.positives, triples.negatives)
        between = functional.linear(looks, self.projection)
        between += items[:half] - items[half:] - styles[:half] + styles[half:]
        preference = (user * between).sum(1)
        slope = -torch.sigmoid(-preference)
        pull = slope[:, None] * user
        both_ways = torch.cat([pull, -pull])
        grad(self.users).index_add_(0, triples.users, torch.addcmul(weight * user, slope[:, None], between))
        grad(self.items).index_add_(0, both, both_ways + weight * items)
        grad(self.categories).index_add_(0, kinds, weight * styles - both_ways)
        torch.mm(pull.t(), looks, out=grad(self.projection))
        return functional.softplus(-preference).sum() + weight * half_squares(user, items, styles)

    @property
    def user_penalty(self) -> float:
        return self.config.l_w

    def user_side(self) -> Tensor:
        return self.users

    def item_side(self, rows: Tensor, features: Tensor) -> Side:
        style = rowwise(features, self.projection.t().to(features))
        own = self.items[rows] - self.categories[self.category[rows]]
        return Side(style + own.to(features), features.new_zeros(len(rows)))


class DeepStyle(FactorRecommender):
    """A projection of the image features less a vector of the item's category: its style, trained on pairs.

    Liu, Wu & Wang 2017, "DeepStyle: Learning User Preferences for Visual Recommendation", eq. 7: score(u, i)
    = p_u . (E f_i - l_c(i) + q_i), with l of the item's category. (Elliot learns an l for each item instead,
    which adds nothing to q_i.) Unlabelled items share a category of their own. Items without training
    interactions have q_i = 0.
    """

    config_class = DeepStyleConfig
    config: DeepStyleConfig
    network_class: ClassVar[type[DeepStyleNetwork]] = DeepStyleNetwork
    uses_images: ClassVar[bool] = True
    uses_categories: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True

    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        users, items = interactions.train.shape
        features = check_embeddings(embeddings, items, "DeepStyle")
        category = self._categories(items)
        factors, width = self.config.factors, features.shape[1]
        tensors = {
            "users": initial.glorot("users", users, factors),
            "items": without_cold(initial.glorot("items", items, factors), sampler.items),
            "categories": initial.glorot("categories", int(category.max()) + 1, factors),
            "projection": initial.glorot("projection", factors, width),
            "category": torch.from_numpy(category),
        }
        return DeepStyleNetwork(self.config, tensors, Features(features, device))

    def _categories(self, items: int) -> np.ndarray:
        """(N,) category of each item, counted without gaps; the unlabelled ones are the first where any are.

        Raises:
            UserError: there are none, or of another number of items.
        """
        given = self.context.categories
        if given is None or not len(given) or int(np.max(given)) < 0:
            raise UserError(
                "DeepStyle needs the items' categories, and the catalog has none",
                remedy="name a catalog with categories, or take VBPR",
            )
        if len(given) != items:
            raise UserError(f"DeepStyle expected {items} categories, one an item, got {len(given)}")
        return np.unique(given, return_inverse=True)[1].astype(np.int64)
