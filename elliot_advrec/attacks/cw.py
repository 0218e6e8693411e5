"""Carlini and Wagner's optimiser held inside the budget's ball: Adam on the perturbation."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

# As in the original's code: progress is judged ten times a run, and less than this share of it is none.
WINDOWS = 10
LEAST_PROGRESS = 1e-4


class CWConfig(Config):
    """Settings of CW."""

    steps: int = Field(default=1000, ge=1)
    """Adam steps, at most."""
    learning_rate: float = Field(default=0.005, gt=0, allow_inf_nan=False)
    """Adam's learning rate, in pixel units of [0,1]."""
    abort_early: bool = True
    """Stop a sample whose best loss has not improved by a relative 1e-4 within a tenth of ``steps``."""


class CW(Attack):
    """Adam on the perturbation, projected onto the ball after every step (after Carlini & Wagner 2017).

    Any per-sample loss is minimised directly; the ball replaces the original's distance term. Pixels are
    clipped to [0,1] instead of passed through tanh, whose slope is 0 at pure black and white. Each sample has
    its own Adam state and stops by its own progress, so batch-mates do not matter; stopped samples leave the
    batch. At most ``steps`` gradients and ``steps`` + 1 queries a sample.
    """

    config_class = CWConfig
    config: CWConfig

    def run(self, problem: Problem) -> None:
        settings = self.config
        window = max(1, settings.steps // WINDOWS)
        adam = ShrinkingAdam(problem.images.clone(), settings.learning_rate)
        rows: Tensor | None = None
        before = problem.best.loss.clone()
        for step in range(1, settings.steps + 1):
            _, gradient = problem.gradient(adam.points, rows)
            adam.step(gradient)
            problem.project_(adam.points, rows)
            if settings.abort_early and step % window == 0 and step < settings.steps:
                best = problem.best.loss if rows is None else problem.best.loss[rows]
                going = best < before - LEAST_PROGRESS * before.abs().nan_to_num(posinf=0.0)
                if not bool(going.all()):
                    # The point just stepped to was not evaluated yet, and may be the best one.
                    stopped = ~going
                    places = problem.rows if rows is None else rows
                    problem.evaluate(adam.points[stopped], places[stopped])
                    rows, best = places[going], best[going]
                    if not len(rows):
                        return
                    adam.shrink(going)
                before = best.clone()
        problem.evaluate(adam.points, rows)

    def gradient_evaluations(self) -> int:
        return self.config.steps


class ShrinkingAdam:
    """``torch.optim.Adam`` over a batch that samples can leave, each with its own moments.

    Args:
        points: (b,3,H,W) starting points; changed in place.
        learning_rate: Adam's.
    """

    def __init__(self, points: Tensor, learning_rate: float) -> None:
        self.points = points
        self._optimizer = torch.optim.Adam([points], lr=learning_rate)

    def step(self, gradient: Tensor) -> None:
        """Move ``points`` against ``gradient`` (b,3,H,W)."""
        self.points.grad = gradient
        self._optimizer.step()
        self.points.grad = None

    def shrink(self, going: Tensor) -> None:
        """Go on with the samples where ``going`` (b,) bool is true; their moments and step count stay."""
        state = self._optimizer.state.pop(self.points)
        self.points = self.points[going]
        self._optimizer.param_groups[0]["params"] = [self.points]
        self._optimizer.state[self.points] = {
            name: value[going] if value.dim() else value for name, value in state.items()
        }
