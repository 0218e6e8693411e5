"""Natural evolution strategies: the gradient of values, estimated in pixel space."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.base import Attack, Needs
from elliot_advrec.attacks.budget import per_sample
from elliot_advrec.attacks.descent import direction
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config


class NESConfig(Config):
    """Settings of NES."""

    queries: int = Field(default=1000, ge=4)
    """Hard budget of queries, the clean picture's included; a last step uses what is left."""
    samples: int = Field(default=50, ge=2, multiple_of=2)
    """Pictures that a gradient is estimated from, in pairs of opposite noise."""
    sigma: float = Field(default=0.001, gt=0)
    """Standard deviation of the noise, in pixel units of [0,1]."""
    step_size: float = Field(default=0.1, gt=0)
    """Length of a step in multiples of eps."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the running mean of gradients that each estimate leaves."""


class NES(Attack):
    """NES: signed steps along a gradient estimated from noise on the pixels (Ilyas et al. 2018).

    The gradient is ``sum of (L(x + sigma u) - L(x - sigma u)) u`` over Gaussian u, as in the original's
    antithetic sampling; its scale is of no account. No gradient, ``queries`` queries a sample at most.
    """

    config_class = NESConfig
    config: NESConfig
    needs: ClassVar[Needs] = "values"

    def run(self, problem: Problem) -> None:
        settings, left = self.config, self.config.queries - 1
        points, mean = problem.images.clone(), torch.zeros_like(problem.images)
        problem.evaluate(points)
        while left >= 3:
            # One is for the picture that the step leads to.
            pairs = min(settings.samples, left - 1) // 2
            estimate = self._estimate(problem, points, pairs)
            mean.mul_(settings.momentum).add_(estimate, alpha=1 - settings.momentum)
            points.add_(direction(mean, problem.budget), alpha=-settings.step_size * problem.budget.eps)
            problem.project_(points)
            problem.evaluate(points)
            left -= 2 * pairs + 1

    def _estimate(self, problem: Problem, points: Tensor, pairs: int) -> Tensor:
        """(B,3,H,W) in the direction of the gradient at ``points``, by two queries a pair."""
        total, noise = torch.zeros_like(points), torch.empty_like(points)
        for _ in range(pairs):
            noise.copy_(problem.streams.normal(points.shape[1:]))
            shifts = (self.config.sigma * sign * noise for sign in (1, -1))
            up, down = (problem.evaluate((points + s).clamp_(0.0, 1.0), offer=False) for s in shifts)
            total.add_(noise * per_sample(up - down, noise))
        return total

    def gradient_evaluations(self) -> int:
        return 0
