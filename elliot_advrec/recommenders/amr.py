"""VBPR that is trained against the worst small change of its features."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.config import Weight
from elliot_advrec.recommenders.bpr.network import grad
from elliot_advrec.recommenders.bpr.noise import feature_noise
from elliot_advrec.recommenders.bpr.sampling import Triples
from elliot_advrec.recommenders.vbpr import VBPR, VBPRConfig, VBPRNetwork

TINY = 1e-12
"""Squared lengths below it count as it, as in TensorFlow's ``l2_normalize``."""


class AMRConfig(VBPRConfig):
    """Settings of ``AMR``: those of ``VBPR``, with Elliot's other defaults, and the adversary's."""

    factors: Annotated[int, Field(ge=1)] = 200
    """Latent factors of users and items."""
    lr: Annotated[float, Field(gt=0)] = 0.001
    """Learning rate of Adam."""
    l_w: Weight = 0.1
    """L2 penalty of the factors that a triple holds."""
    l_b: Weight = 0.001
    """L2 penalty of the item biases; a tenth of it for the item that was not taken."""
    l_e: Weight = 0.1
    """L2 penalty of the projection and of the visual bias."""
    eps: Weight = 0.1
    """L2 length of the change of an item's features, in units of the features."""
    l_adv: Weight = 0.001
    """Weight of the loss under that change; with 0 this is VBPR, bit for bit."""
    adversarial_epochs: Annotated[int, Field(ge=0)] | None = None
    """How many of the last epochs have an adversary; absent: the later half, as in Elliot."""
    perturb: Literal["positive", "both"] = "positive"
    """Whose features the adversary changes: those of the item that was taken (Elliot), or of both (Tang)."""
    nb_iter: Annotated[int, Field(ge=1)] = 1
    """Steps of the noise that ``noise`` measures with; training always has one, which is exact."""
    eps_iter: Annotated[float, Field(gt=0)] | None = None
    """Length of each of those steps; absent: 2.5 eps / nb_iter."""

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> AMRConfig:
        if (self.adversarial_epochs or 0) > self.epochs:
            raise ValueError(
                f"'adversarial_epochs' ({self.adversarial_epochs}) is larger than 'epochs' ({self.epochs})"
            )
        return self

    @property
    def first_adversarial(self) -> int:
        """The first epoch with an adversary, counted from 0."""
        wanted = self.epochs // 2 if self.adversarial_epochs is None else self.adversarial_epochs
        return self.epochs - wanted


class AMRNetwork(VBPRNetwork):
    """VBPR's, with an adversary in the last epochs.

    The preference is linear in the features: its gradient with respect to those of the positive item is
    w = E' t_u + b', and the same with the other sign for the negative one. So the change of length eps that
    raises the loss most is -eps w / |w|, in one step and exactly, and it lowers the preference by eps |w|.
    What is kept constant in the papers (the change itself) may as well be differentiated, for d|w| is w / |w|
    . dw. With M = P P' of the (d + 1, D) projection P and t = (t_u, 1), |w|^2 = t' M t: no (B, D) array is
    ever made, and an adversarial epoch takes hardly longer than a plain one.
    """

    config: AMRConfig
    adversarial = False

    def begin(self, epoch: int) -> None:
        self.adversarial = self.config.l_adv > 0 and epoch >= self.config.first_adversarial

    def _reach(self) -> float:
        return self.config.eps * (2 if self.config.perturb == "both" else 1)

    def loss(self, triples: Triples) -> Tensor:
        plain = super().loss(triples)
        if not self.adversarial:
            return plain
        assert self.features is not None
        latent = self.items.shape[1]
        user = self.users[triples.users]
        between = self.items[triples.positives] - self.items[triples.negatives]
        looks = self.features.rows(triples.positives) - self.features.rows(triples.negatives)
        direction = user[:, latent:] @ self.projection[:-1] + self.projection[-1]
        length = direction.square().sum(1, keepdim=True).clamp(min=TINY).sqrt()
        # The adversary's answer to the present weights: a constant, as in Tang et al. 2019, eq. 5.
        change = (-self._reach() * direction / length).detach()
        preference = (
            self.bias[triples.positives]
            - self.bias[triples.negatives]
            + (user[:, :latent] * between).sum(1)
            + ((looks + change) * direction).sum(1)
        )
        return plain + self.config.l_adv * functional.softplus(-preference).sum()

    @torch.no_grad()
    def gradients(self, triples: Triples) -> Tensor:
        if not self.adversarial:
            return super().gradients(triples)
        weight, reach, latent = self.config.l_adv, self._reach(), self.items.shape[1]
        step = self.forward_step(triples)
        visual = functional.pad(step.user[:, latent:], (0, 1), value=1.0)
        gram = self.projection @ self.projection.t()
        leaning = visual @ gram
        length = (leaning * visual).sum(1).clamp_(min=TINY).sqrt_()
        attacked = step.preference - reach * length
        pressure = weight * torch.sigmoid(-attacked)
        self.backward_step(triples, step, -torch.sigmoid(-step.preference) - pressure)
        # What is left is the gradient of reach |w|, times the pressure on it.
        share = (reach * pressure / length)[:, None]
        grad(self.users)[:, latent:].index_add_(0, triples.users, share * leaning[:, :-1])
        grad(self.projection).addmm_((share * visual).t() @ visual, self.projection)
        plain = functional.softplus(-step.preference).sum() + self.penalty(step)
        return plain + weight * functional.softplus(-attacked).sum()


class AMR(VBPR):
    """VBPR trained against the worst change of its features, so that noise on them moves it less.

    Tang et al. 2019, "Adversarial Training Towards Robust Multimedia Recommender System", eq. 8: the pairwise
    loss plus ``l_adv`` times the same loss under the change of length ``eps`` that raises it most, in the
    last ``adversarial_epochs`` epochs. First values, triples and all else are those of ``VBPR``.
    """

    config_class = AMRConfig
    config: AMRConfig
    network_class: ClassVar[type[VBPRNetwork]] = AMRNetwork

    def noise(
        self, interactions: Interactions, embeddings: np.ndarray, eps: float | None = None, *, seed: int = 42
    ) -> np.ndarray:
        """(N, D) features under noise of length ``eps`` (absent: the setting); see ``feature_noise``."""
        return feature_noise(
            self,
            interactions,
            embeddings,
            self.config.eps if eps is None else eps,
            steps=self.config.nb_iter,
            step=self.config.eps_iter,
            seed=seed,
        )
