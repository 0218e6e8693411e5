"""Matrix factorisation: the pairwise recommender that sees no pictures."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.config import BPRConfig, Weight
from elliot_advrec.recommenders.bpr.factors import FactorNetwork, FactorRecommender, Side
from elliot_advrec.recommenders.bpr.network import Initial, Network, grad, half_squares, without_cold
from elliot_advrec.recommenders.bpr.sampling import Triples, TripleSampler


class BPRMFConfig(BPRConfig):
    """Settings of ``BPRMF``."""

    batch_size: int = 64
    """Triples whose gradients are taken together; Elliot takes one at a time, which this stands in for. The
    larger, the faster, and the further from Elliot where few items hold most of the interactions."""
    factors: Annotated[int, Field(ge=1)] = 10
    """Latent factors."""
    lr: Annotated[float, Field(gt=0)] = 0.05
    """Learning rate of plain gradient descent."""
    bias_regularization: Weight = 0
    """L2 penalty of the item biases."""
    user_regularization: Weight = 0.0025
    """L2 penalty of the user factors."""
    positive_item_regularization: Weight = 0.0025
    """L2 penalty of the factors of the item that was taken."""
    negative_item_regularization: Weight = 0.00025
    """L2 penalty of the factors of the item that was not."""
    update_negative_item_factors: bool = True
    """Whether the item that was not taken is learned from."""
    update_users: bool = True
    """Whether user factors are learned."""
    update_items: bool = True
    """Whether item factors are learned."""
    update_bias: bool = True
    """Whether item biases are learned."""

    @model_validator(mode="after")
    def _something_is_learned(self) -> BPRMFConfig:
        if not (self.update_users or self.update_items or self.update_bias):
            raise ValueError("nothing is learned: set update_users, update_items or update_bias")
        return self


class BPRMFNetwork(FactorNetwork):
    """Users (U, K), items (N, K) and bias (N,)."""

    config: BPRMFConfig
    users: nn.Parameter
    items: nn.Parameter
    bias: nn.Parameter

    def loss(self, triples: Triples) -> Tensor:
        config = self.config
        user = self.users[triples.users]
        taken, not_taken = self.items[triples.positives], self.items[triples.negatives]
        if not config.update_negative_item_factors:
            not_taken = not_taken.detach()
        bias, other = self.bias[triples.positives], self.bias[triples.negatives]
        preference = bias - other + (user * (taken - not_taken)).sum(1)
        return (
            functional.softplus(-preference).sum()
            + config.bias_regularization * half_squares(bias, other)
            + config.user_regularization * half_squares(user)
            + config.positive_item_regularization * half_squares(taken)
            + config.negative_item_regularization * half_squares(not_taken)
        )

    @torch.no_grad()
    def gradients(self, triples: Triples) -> Tensor:
        config = self.config
        both = torch.cat([triples.positives, triples.negatives])
        half = len(triples.users)
        user = self.users.index_select(0, triples.users)
        items, bias = self.items.index_select(0, both), self.bias.index_select(0, both)
        taken, not_taken = items[:half], items[half:]
        between = taken - not_taken
        preference = bias[:half] - bias[half:] + (user * between).sum(1)
        slope = -torch.sigmoid(-preference)
        pull = slope[:, None] * user
        if config.update_users:
            change = slope[:, None] * between + config.user_regularization * user
            grad(self.users).index_add_(0, triples.users, change)
        if config.update_items:
            change = pull + config.positive_item_regularization * taken
            grad(self.items).index_add_(0, triples.positives, change)
            if config.update_negative_item_factors:
                change = config.negative_item_regularization * not_taken - pull
                grad(self.items).index_add_(0, triples.negatives, change)
        if config.update_bias:
            change = torch.cat([slope, -slope]) + config.bias_regularization * bias
            grad(self.bias).index_add_(0, both, change)
        return (
            functional.softplus(-preference).sum()
            + config.bias_regularization * half_squares(bias)
            + config.user_regularization * half_squares(user)
            + config.positive_item_regularization * half_squares(taken)
            + config.negative_item_regularization * half_squares(not_taken)
        )

    def learnable(self) -> list[nn.Parameter]:
        wanted = (self.config.update_users, self.config.update_items, self.config.update_bias)
        named = (self.users, self.items, self.bias)
        return [parameter for parameter, learned in zip(named, wanted, strict=True) if learned]

    @property
    def user_penalty(self) -> float:
        return self.config.user_regularization

    def user_side(self) -> Tensor:
        return self.users

    def item_side(self, rows: Tensor, features: Tensor) -> Side:
        return Side(self.items[rows], self.bias[rows])


class BPRMF(FactorRecommender):
    """Matrix factorisation trained on pairs; blind to pictures, the control of the visual recommenders.

    Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback": score(u, i) = b_i +
    p_u . q_i, learned by gradient descent on -ln sigmoid(score(u, i) - score(u, j)). Items without training
    interactions score 0.
    """

    config_class = BPRMFConfig
    config: BPRMFConfig
    network_class: ClassVar[type[BPRMFNetwork]] = BPRMFNetwork
    optimiser: ClassVar[Literal["adam", "descent"]] = "descent"

    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        users, items = interactions.train.shape
        factors = self.config.factors
        tensors = {
            # Elliot's first values: normal with deviation 0.1.
            "users": initial.normal("users", users, factors, 0.1),
            "items": without_cold(initial.normal("items", items, factors, 0.1), sampler.items),
            "bias": torch.zeros(items),
        }
        return BPRMFNetwork(self.config, tensors)
