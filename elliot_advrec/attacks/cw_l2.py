"""Carlini and Wagner's L2 attack: the smallest change that reaches a given loss."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.budget import per_sample
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

# The original's search: c is multiplied by this until the first success, then bisected.
GROWTH = 10.0


class CWL2Config(Config):
    """Settings of the L2 form of CW."""

    steps: int = Field(default=200, ge=1)
    """Adam steps for each constant c."""
    search_steps: int = Field(default=9, ge=1)
    """Constants c that are tried for each sample."""
    initial_constant: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The first c: how much the loss weighs against the squared length of the change."""
    threshold: float = Field(default=0.1, allow_inf_nan=False)
    """Success is a loss at or below this; for the item-to-item threat, a cosine distance."""
    learning_rate: float = Field(default=0.01, gt=0, allow_inf_nan=False)
    """Adam's learning rate, in pixel units of [0,1]."""


class CWL2(Attack):
    """Smallest L2 change that brings the loss to a threshold (Carlini & Wagner 2017, section VI-A).

    For each sample, Adam minimises ``||delta||_2^2 + c * max(loss - threshold, 0)``; c is searched for as in
    the original: ten times larger until it succeeds, then bisected, each try anew from the clean image. Two
    things differ from the original: pixels are clipped to [0,1] instead of passed through tanh (which freezes
    pure black and white), and its confidence kappa is part of ``threshold``.

    The search itself knows no budget. A sample's result is its success of the smallest L2 length inside the
    budget. Where there is none, it is the point of lowest loss among those visited inside the budget (the
    clean image is one) and, projected into it, the smallest success outside and where each try ended.
    ``search_steps * steps`` gradients a sample.
    """

    config_class = CWL2Config
    config: CWL2Config

    def run(self, problem: Problem) -> None:
        settings = self.config
        count, device = len(problem.images), problem.images.device
        inside = Shortest(problem.images)
        anywhere = Shortest(problem.images)
        constant = torch.full((count,), settings.initial_constant, device=device)
        low, high = torch.zeros_like(constant), torch.full_like(constant, torch.inf)
        for _ in range(settings.search_steps):
            succeeded = self._descend(problem, constant, inside, anywhere)
            high = torch.where(succeeded, torch.minimum(high, constant), high)
            low = torch.where(succeeded, low, torch.maximum(low, constant))
            constant = torch.where(high.isinf(), constant * GROWTH, (low + high) / 2)
        # Projected successes compete by loss, then real ones inside the budget go before everything.
        problem.evaluate(problem.project_(anywhere.images.clone()))
        problem.best.keep(inside.images, inside.loss, inside.length.isfinite())

    def _descend(self, problem: Problem, constant: Tensor, inside: Shortest, anywhere: Shortest) -> Tensor:
        """One Adam run for each sample's ``constant`` (B,); returns whether it ever succeeded, (B,) bool."""
        settings = self.config
        points = problem.images.clone()
        optimizer = torch.optim.Adam([points], lr=settings.learning_rate)
        succeeded = torch.zeros_like(constant, dtype=torch.bool)
        for step in range(settings.steps + 1):
            if step < settings.steps:
                loss, gradient = problem.gradient(points, offer=False)
            else:
                loss = problem.evaluate(points, offer=False)
            change = points - problem.images
            length = torch.linalg.vector_norm(change, dim=(1, 2, 3))
            allowed = problem.budget.contains(change)
            success = loss <= settings.threshold
            succeeded |= success
            anywhere.offer(points, loss, length, success)
            inside.offer(points, loss, length, success & allowed)
            problem.best.keep(points, loss, allowed & (loss < problem.best.loss))
            if step < settings.steps:
                # The hinge is flat once the threshold is reached: only the length is then shortened.
                weight = per_sample(torch.where(success, torch.zeros_like(constant), constant), points)
                points.grad = change.mul_(2).addcmul_(gradient, weight)
                optimizer.step()
                points.clamp_(0.0, 1.0)
        points.grad = None
        problem.evaluate(problem.project_(points))
        return succeeded

    def gradient_evaluations(self) -> int:
        return self.config.steps * self.config.search_steps


class Shortest:
    """Each sample's shortest success so far; the clean image at infinite length while there is none."""

    def __init__(self, clean: Tensor) -> None:
        self.images = clean.clone()
        self.loss = torch.full((len(clean),), torch.inf, device=clean.device)
        self.length = torch.full_like(self.loss, torch.inf)

    def offer(self, points: Tensor, loss: Tensor, length: Tensor, allowed: Tensor) -> None:
        """Keep each of ``points`` that is ``allowed`` (B,) bool and of smaller ``length`` (B,) L2."""
        shorter = allowed & (length < self.length)
        torch.where(per_sample(shorter, points), points, self.images, out=self.images)
        torch.where(shorter, loss, self.loss, out=self.loss)
        torch.where(shorter, length, self.length, out=self.length)
