"""Visual BPR: a user's taste for what items look like, beside its taste for the items themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.config import VisualConfig, Weight
from elliot_advrec.recommenders.bpr.factors import FactorNetwork, FactorRecommender, Side
from elliot_advrec.recommenders.bpr.features import Features
from elliot_advrec.recommenders.bpr.network import Initial, Network, grad, half_squares, without_cold
from elliot_advrec.recommenders.bpr.products import rowwise
from elliot_advrec.recommenders.bpr.sampling import Triples, TripleSampler
from elliot_advrec.recommenders.embeddings import check_embeddings


class VBPRConfig(VisualConfig):
    """Settings of ``VBPR``."""

    factors: Annotated[int, Field(ge=1)] = 100
    """Latent factors of users and items."""
    factors_d: Annotated[int, Field(ge=1)] = 20
    """Visual factors: what the features are projected to."""
    lr: Annotated[float, Field(gt=0)] = 0.0005
    """Learning rate of Adam."""
    l_w: Weight = 0.000025
    """L2 penalty of the factors that a triple holds."""
    l_b: Weight = 0
    """L2 penalty of the item biases; a tenth of it for the item that was not taken."""
    l_e: Weight = 0.002
    """L2 penalty of the projection and of the visual bias."""


class Step(NamedTuple):
    """What one forward pass leaves for the backward one; B triples."""

    user: Tensor
    """(B, K + d) latent and visual factors."""
    items: Tensor
    """(2B, K) latent factors, positives first."""
    bias: Tensor
    """(2B,) item biases, positives first."""
    seen: Tensor
    """(B, D) features of positives less those of negatives."""
    between: Tensor
    """(B, K + d) what the user's factors are multiplied with."""
    preference: Tensor
    """(B,) score of the positive less that of the negative."""


class VBPRNetwork(FactorNetwork):
    """Users (U, K + d), items (N, K), bias (N,), projection (d + 1, D) whose last row is the visual bias."""

    config: VBPRConfig
    users: nn.Parameter
    items: nn.Parameter
    bias: nn.Parameter
    projection: nn.Parameter

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], features: Features | None = None) -> None:
        super().__init__(config, tensors, features)
        self.width = self.projection.shape[1]

    def loss(self, triples: Triples) -> Tensor:
        assert self.features is not None
        config, latent = self.config, self.items.shape[1]
        user = self.users[triples.users]
        taken, not_taken = self.items[triples.positives], self.items[triples.negatives]
        bias, other = self.bias[triples.positives], self.bias[triples.negatives]
        looks = self.features.rows(triples.positives) - self.features.rows(triples.negatives)
        seen = looks @ self.projection.t()
        preference = (
            bias
            - other
            + (user[:, :latent] * (taken - not_taken)).sum(1)
            + (user[:, latent:] * seen[:, :-1]).sum(1)
            + seen[:, -1]
        )
        return (
            functional.softplus(-preference).sum()
            + config.l_w * half_squares(user, taken, not_taken)
            + config.l_b * half_squares(bias)
            + config.l_b / 10 * half_squares(other)
            + config.l_e * half_squares(self.projection)
        )

    @torch.no_grad()
    def gradients(self, triples: Triples) -> Tensor:
        step = self.forward_step(triples)
        self.backward_step(triples, step, -torch.sigmoid(-step.preference))
        return functional.softplus(-step.preference).sum() + self.penalty(step)

    def forward_step(self, triples: Triples) -> Step:
        """Preferences, and what their gradient needs."""
        assert self.features is not None
        both = torch.cat([triples.positives, triples.negatives])
        half = len(triples.users)
        user = self.users.index_select(0, triples.users)
        items, bias = self.items.index_select(0, both), self.bias.index_select(0, both)
        looks = self.features.differences(triples.positives, triples.negatives)
        seen = functional.linear(looks, self.projection)
        between = torch.cat([items[:half] - items[half:], seen[:, :-1]], dim=1)
        preference = (user * between).sum(1).add_(bias[:half]).sub_(bias[half:]).add_(seen[:, -1])
        return Step(user, items, bias, looks, between, preference)

    def backward_step(self, triples: Triples, step: Step, slope: Tensor) -> None:
        """Add the gradients of the preferences, times ``slope`` (B,), and of the penalty."""
        config, latent = self.config, self.items.shape[1]
        both = torch.cat([triples.positives, triples.negatives])
        pull = slope[:, None] * step.user
        change = torch.addcmul(config.l_w * step.user, slope[:, None], step.between)
        grad(self.users).index_add_(0, triples.users, change)
        change = torch.cat([pull[:, :latent], -pull[:, :latent]]).add_(step.items, alpha=config.l_w)
        grad(self.items).index_add_(0, both, change)
        change = torch.cat([slope, -slope])
        if config.l_b:
            half = len(slope)
            change[:half].add_(step.bias[:half], alpha=config.l_b)
            change[half:].add_(step.bias[half:], alpha=config.l_b / 10)
        grad(self.bias).index_add_(0, both, change)
        into = torch.cat([pull[:, latent:], slope[:, None]], dim=1)
        # The one large product of the backward pass writes where the gradient lies, penalty included.
        torch.addmm(self.projection, into.t(), step.seen, beta=config.l_e, out=grad(self.projection))

    def clear(self, triples: Triples) -> None:
        # Of hundred thousands of items a batch has touched a thousand: zeroing all took a fifth of a step.
        grad(self.users).index_fill_(0, triples.users, 0)
        for rows in (triples.positives, triples.negatives):
            grad(self.items).index_fill_(0, rows, 0)
            grad(self.bias).index_fill_(0, rows, 0)
        grad(self.projection).zero_()

    def penalty(self, step: Step) -> Tensor:
        """What is regularised, as a scalar."""
        config, half = self.config, len(step.user)
        found = config.l_w * half_squares(step.user, step.items) + config.l_e * half_squares(self.projection)
        if config.l_b:
            found += config.l_b * half_squares(step.bias[:half])
            found += config.l_b / 10 * half_squares(step.bias[half:])
        return found

    @property
    def user_penalty(self) -> float:
        return self.config.l_w

    def user_side(self) -> Tensor:
        return self.users

    def item_side(self, rows: Tensor, features: Tensor) -> Side:
        seen = rowwise(features, self.projection.t().to(features))
        factors = torch.cat([self.items[rows].to(features), seen[:, :-1]], dim=1)
        return Side(factors, self.bias[rows].to(features) + seen[:, -1])


class VBPR(FactorRecommender):
    """Matrix factorisation plus a learned projection of the image features, trained on pairs.

    He & McAuley 2016, "VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback", eq. 4, without the
    terms that are the same for all items: score(u, i) = b_i + p_u . q_i + t_u . (E f_i) + b' . f_i. Loss,
    penalties, first values and optimiser (Adam) are those of Elliot. Features enter as they are.

    An item without training interactions has q_i = 0 and b_i = 0, so that its score comes from its features
    alone; in Elliot its q_i keeps random first values.
    """

    config_class = VBPRConfig
    config: VBPRConfig
    network_class: ClassVar[type[VBPRNetwork]] = VBPRNetwork
    uses_images: ClassVar[bool] = True
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
        features = check_embeddings(embeddings, items, type(self).__name__)
        config, width = self.config, features.shape[1]
        tensors = {
            "users": torch.cat(
                [
                    initial.glorot("users", users, config.factors),
                    initial.glorot("visual users", users, config.factors_d),
                ],
                dim=1,
            ),
            "items": without_cold(initial.glorot("items", items, config.factors), sampler.items),
            "bias": torch.zeros(items),
            "projection": torch.cat(
                [
                    initial.glorot("projection", config.factors_d, width),
                    initial.glorot("visual bias", 1, width),
                ]
            ),
        }
        return self.network_class(config, tensors, Features(features, device))
