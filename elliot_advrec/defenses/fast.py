"""Fast adversarial training."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.descent import direction
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.defenses.adversary import WarmupConfig, adversary_loss
from elliot_advrec.defenses.base import TrainingDefense
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class FastConfig(WarmupConfig):
    """Settings of FastAdversarialTraining."""

    noise: Annotated[float, Field(ge=0.0)] = 2.0
    """Radius of the uniform random start, in multiples of eps."""
    step: Annotated[float, Field(gt=0.0)] = 1.0
    """Length of the one gradient step, in multiples of eps."""
    clip: bool = False
    """Whether start and step together are brought back into the ball of radius eps; otherwise they may reach
    (noise + step) eps, which is what keeps a single step from being learned by heart."""

    def reach(self, progress: float) -> float:
        """The farthest that a pixel moves, at this share of the training in [0, 1)."""
        return self.radius(progress) * (1.0 if self.clip else self.noise + self.step)


class FastAdversarialTraining(TrainingDefense):
    """Fast adversarial training: one gradient step from a noisy start (N-FGSM, or FGSM with random start).

    By default N-FGSM (de Jorge et al. 2022, algorithm 1): noise of 2 eps, a step of eps, not clipped to the
    ball. ``noise: 1, step: 1.25, clip: true`` is FGSM with a random start (Wong, Rice and Kolter 2020,
    algorithm 3), which may overfit catastrophically: robust to one step, and to nothing else.
    """

    config_class = FastConfig
    config: FastConfig

    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        settings = self.config
        eps = settings.radius(progress)
        if eps == 0:
            return pixels
        # Not an attack's call: that would spend a forward pass on judging the end point.
        problem = Problem(
            adversary_loss(extractor, category, attributes),
            pixels,
            Budget("linf", settings.reach(progress)),
            streams,
        )
        noise = streams.uniform(pixels.shape[1:], -settings.noise * eps, settings.noise * eps)
        start = torch.empty_like(pixels).copy_(noise).add_(pixels).clamp_(0.0, 1.0)
        _, gradient = problem.gradient(start, offer=False)
        return problem.project_(start.sub_(direction(gradient, problem.budget), alpha=settings.step * eps))

    def gradient_evaluations(self, progress: float) -> float:
        return 1 if self.config.eps > 0 else 0
