"""Black-box gradient by way of the features: the slope of what is seen, estimated from a few pictures."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from elliot_advrec.attacks.base import Attack, Needs
from elliot_advrec.attacks.budget import Norm
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

LEVEL = 1 / 255

# Embeddings are float32: directions of the perturbations weaker than this share are its rounding.
RESOLUTION = 1e-6


class BlackBoxGradientConfig(Config):
    """Settings of the feature-gradient attack."""

    steps: int = Field(default=20, ge=1)
    """Signed steps, at most."""
    step_size: float = Field(default=1.0, gt=0)
    """Length of a step in levels of an 8-bit pixel, 1/255."""
    perturbations: int = Field(default=32, ge=1)
    """Pictures that are tried around the present one before each step, d'."""
    radius: float = Field(default=1.0, gt=0)
    """L-infinity radius of the ball that they are drawn from, in levels of an 8-bit pixel."""
    antithetic: bool = False
    """Draw the perturbations in pairs of opposite sign; ``perturbations`` must then be even."""
    queries: int = Field(default=661, ge=3)
    """Hard budget of pictures whose value is asked for, the present ones included; a last step uses what is
    left. 20 steps with 32 perturbations take 661, with 64 take 1301."""
    keep: Literal["best", "last"] = "best"
    """``best`` of the pictures stepped to, by the values seen, or the ``last`` one as in the original."""

    @model_validator(mode="after")
    def _pairs(self) -> BlackBoxGradientConfig:
        if self.antithetic and self.perturbations % 2:
            raise ValueError(f"antithetic perturbations come in pairs: make {self.perturbations} even")
        return self


class BlackBoxGradient(Attack):
    """Black-box attack by the slope in feature space, from a few perturbed pictures (Cohen et al. 2021).

    Before each step, ``perturbations`` pictures are drawn uniformly from a small ball around the present one;
    their embeddings are known, since the extractor is public, and their values are seen. The slope x of the
    value over the embedding is the solution of least norm of ``DeltaF x = Deltas`` (eq. 2 and 3.5), in
    float64, and the step is ``p <- project(p - step_size * sign(J^T x))``, J^T x by the public extractor
    (eq. 1). What a value is (a score, a rank, a partial rank) is the loss's business; nothing here needs to
    know its scale. ``steps`` gradients of the extractor and ``queries`` queries a sample, at most.

    Embeddings must be float32: bf16 rounds away what perturbations of a level change.
    """

    config_class = BlackBoxGradientConfig
    config: BlackBoxGradientConfig
    needs: ClassVar[Needs] = "features"
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)

    def run(self, problem: Problem) -> None:
        settings = self.config
        every, left = settings.keep == "best", settings.queries
        points = problem.images.clone()
        for _ in range(settings.steps):
            # Two are for the picture before the step and the one after it.
            tries = min(settings.perturbations, left - 2)
            tries -= tries % 2 if settings.antithetic else 0
            if tries < 1:
                break
            embedding, value = problem.look(points, offer=every)
            slope = self._slope(problem, points, embedding, value, tries)
            left -= 1 + tries
            gradient = problem.pull_back(points, slope)
            points.add_(gradient.sign(), alpha=-settings.step_size * LEVEL)
            problem.project_(points)
        problem.look(points)

    def _slope(
        self, problem: Problem, points: Tensor, embedding: Tensor, value: Tensor, tries: int
    ) -> Tensor:
        """(B,D) float64 estimate of d value / d embedding at ``points`` by ``tries`` queries a sample."""
        seen = None
        around = None if problem.oracle.parts is None else problem.oracle.parts.around
        if around is not None:
            # The same picture through other eyes: who is watched in this step is decided at its start.
            seen = around(embedding, problem.rows)
            value = seen(embedding, problem.rows)
        moves, rises = [], []
        noise = torch.empty_like(points)
        for attempt in range(tries):
            if self.config.antithetic and attempt % 2:
                noise.neg_()
            else:
                reach = self.config.radius * LEVEL
                noise.copy_(problem.streams.uniform(points.shape[1:], -reach, reach))
            near, there = problem.look((points + noise).clamp_(0.0, 1.0), offer=False, seen=seen)
            moves.append(near.double() - embedding.double())
            rises.append(there.double() - value.double())
        return least_norm(torch.stack(moves, 1), torch.stack(rises, 1))

    def gradient_evaluations(self) -> int:
        return self.config.steps


def least_norm(moves: Tensor, rises: Tensor) -> Tensor:
    """The shortest x (B,D) among those that solve ``moves x = rises`` best in least squares.

    Args:
        moves: (B,n,D) float64.
        rises: (B,n) float64.
    """
    inverse = torch.linalg.pinv(moves, rtol=RESOLUTION)
    return (inverse @ rises[..., None])[..., 0]
