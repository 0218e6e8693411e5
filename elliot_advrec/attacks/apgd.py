"""Auto-PGD: projected descent with momentum that halves its own steps."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.budget import per_sample
from elliot_advrec.attacks.descent import Stop, direction
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

# The constants of Croce & Hein 2020 (section 3 and appendix A): they are the method, not settings of it.
MOMENTUM = 0.75
FIRST_STEP = 2.0
PROGRESS = 0.75
# In hundredths of a run, so that no rounding of sums moves a checkpoint.
FIRST_WINDOW, SHORTER, SHORTEST = 22, 3, 6


class APGDConfig(Config):
    """Settings of APGD."""

    steps: int = Field(default=100, ge=1)
    """Gradient steps in each restart."""
    random_start: bool = True
    """Begin at a uniform draw from the ball, clipped to [0,1], rather than at the clean image."""
    restarts: int = Field(default=1, ge=1)
    """Independent random starts; each sample keeps its own best. Needs ``random_start``."""

    @model_validator(mode="after")
    def _settings_that_act(self) -> APGDConfig:
        if self.restarts > 1 and not self.random_start:
            raise ValueError("restarts need random_start: true, or every restart would be the same")
        return self


class APGD(Attack):
    """Auto-PGD: momentum, and steps that each sample halves for itself where they stop helping.

    Croce & Hein 2020, algorithm 1. Steps begin at 2 eps; at checkpoints that come ever closer a sample whose
    steps mostly failed to improve, or that found no better point at the same step length, halves its step
    and goes on from its best point. ``steps`` gradients and one query more a restart.
    """

    config_class = APGDConfig
    config: APGDConfig

    def run(self, problem: Problem) -> None:
        for _ in range(self.config.restarts):
            start = problem.random_start() if self.config.random_start else problem.images.clone()
            accelerate(problem, start, self.config.steps)

    def gradient_evaluations(self) -> int:
        return self.config.steps * self.config.restarts


def checkpoints(steps: int) -> list[int]:
    """The steps, in rising order, after which step lengths are reconsidered."""
    places, before, place = [], 0, FIRST_WINDOW
    while place < 100:
        places.append(-(-place * steps // 100))  # rounded up
        before, place = place, place + max(place - before - SHORTER, SHORTEST)
    return sorted({step for step in places if 0 < step < steps})


def accelerate(
    problem: Problem,
    points: Tensor,
    steps: int,
    rows: Tensor | None = None,
    *,
    first_step: float = FIRST_STEP,
    stop: Stop | None = None,
) -> None:
    """One run of APGD from given points, by the loss that judges them.

    Args:
        problem: the batch under attack.
        points: (b,3,H,W) inside the budget.
        steps: gradients, at least 1.
        rows: (b,) places in the batch of ``points``; all of them if absent.
        first_step: length of the first step in multiples of eps.
        stop: asked after every gradient; who needs no more leaves the batch.
    """
    rows = problem.rows if rows is None else rows
    state = _State(points, first_step * problem.budget.eps)
    reconsider, window = checkpoints(steps), 0
    for step in range(steps):
        loss, gradient = problem.gradient(state.points, rows)
        state.note(loss, gradient, step)
        if stop is not None:
            going = ~stop(rows)
            if not bool(going.all()):
                rows = rows[going]
                if not len(rows):
                    return
                state.shrink(going)
        if step in reconsider:
            state.reconsider(step - window)
            window = step
        state.advance(problem, rows, step)
    problem.evaluate(state.points, rows)


class _State:
    """What each sample of one run carries from step to step."""

    def __init__(self, points: Tensor, size: float) -> None:
        count, device = len(points), points.device
        self.points, self.before = points, points
        self.best_points, self.best_gradient = points, torch.zeros_like(points)
        self.gradient = self.best_gradient
        self.best_loss = torch.full((count,), torch.inf, device=device)
        self.loss, self.best_at_window = self.best_loss, self.best_loss
        self.size = torch.full((count,), size, device=device)
        self.improved = torch.zeros(count, dtype=torch.long, device=device)
        self.halved = torch.zeros(count, dtype=torch.bool, device=device)

    def shrink(self, going: Tensor) -> None:
        """Keep the samples where ``going`` (b,) bool is true."""
        for name, value in vars(self).items():
            setattr(self, name, value[going])

    def note(self, loss: Tensor, gradient: Tensor, step: int) -> None:
        """Take in the loss (b,) and gradient (b,3,H,W) at ``points``."""
        if step:
            self.improved = self.improved + (loss < self.loss)
        better = loss < self.best_loss
        mask = per_sample(better, gradient)
        self.best_points = torch.where(mask, self.points, self.best_points)
        self.best_gradient = torch.where(mask, gradient, self.best_gradient)
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.loss, self.gradient = loss, gradient
        if not step:
            self.best_at_window = self.best_loss

    def reconsider(self, length: int) -> None:
        """At a checkpoint, ``length`` steps after the last one: halve and go back where nothing is gained."""
        failing = self.improved < PROGRESS * length
        stuck = ~self.halved & (self.best_at_window <= self.best_loss)
        self.halved = failing | stuck
        self.size = torch.where(self.halved, self.size / 2, self.size)
        mask = per_sample(self.halved, self.points)
        self.points = torch.where(mask, self.best_points, self.points)
        self.before = torch.where(mask, self.best_points, self.before)
        self.gradient = torch.where(mask, self.best_gradient, self.gradient)
        self.loss = torch.where(self.halved, self.best_loss, self.loss)
        self.improved = torch.zeros_like(self.improved)
        self.best_at_window = self.best_loss

    def advance(self, problem: Problem, rows: Tensor, step: int) -> None:
        """Step 7 and 8 of the algorithm: a plain step, then the mean of it and of the way come."""
        size = per_sample(self.size, self.points)
        plain = problem.project_(self.points - size * direction(self.gradient, problem.budget), rows)
        if step:
            ahead, come = plain - self.points, self.points - self.before
            plain = problem.project_(self.points + MOMENTUM * ahead + (1 - MOMENTUM) * come, rows)
        self.before, self.points = self.points, plain
