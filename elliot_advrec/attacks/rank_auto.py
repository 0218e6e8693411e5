"""The pinned ensemble: what a defense must withstand before it may claim anything."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.apgd import accelerate
from elliot_advrec.attacks.base import Attack, Needs
from elliot_advrec.attacks.descent import cosine, walk
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.attacks.square import repaint
from elliot_advrec.component import Config
from elliot_advrec.metrics.perceptual import round_to_8_bits

# The ensemble is pinned: these are not settings, so that its name means one thing.
LONG_SHARE, OTHERS_SHARE = 0.8, 0.1
"""Shares of the gradients that the first member takes, and that all other losses take together."""
FIRST_STEP, MOMENTUM = 3.0, 0.75
"""Of the signed steps: the first one's length in multiples of eps, and what is kept of their direction."""
POLISH = 0.25
"""First step of the members that go on from the best point so far, in multiples of eps."""
SQUARES = 0.05
"""Share of the pixels that the last member's first squares cover."""


class RankAutoConfig(Config):
    """What RankAuto may spend; there is nothing else to set."""

    gradients: int = Field(default=100, ge=10)
    """Hard budget of gradient evaluations a sample; the last member asks as many queries besides."""


class RankAuto(Attack):
    """Pinned ensemble of attacks without settings, each on what the ones before it left unsolved.

    In the manner of AutoAttack (Croce & Hein 2020), for losses of rankings. In sequence, of the gradients:

    * 80 %: signed steps with momentum that fall from 3 eps along half a cosine, from a random start, on the
      main loss;
    * 10 %: the same in small, from the best point so far, on each other loss of the threat, where it has any;
    * the rest: APGD with a small first step, from the best point so far, on the main loss;
    * then as many queries of Square's search, from the best point so far, which no vanished or misleading
      gradient can stop (L-infinity only).

    A sample leaves, in the middle of any member, once its goal is reached and still is after rounding to 8
    bits; its result is then the rounded picture. Where the loss cannot tell, every sample is attacked to the
    end. At most ``gradients`` gradients a sample.
    """

    config_class = RankAutoConfig
    config: RankAutoConfig
    needs: ClassVar[Needs] = "gradient"

    def run(self, problem: Problem) -> None:
        problem.mind_goal = True
        stop, eps = Settled(problem), problem.budget.eps
        budget, names = self.config.gradients, problem.oracle.others()
        long = int(LONG_SHARE * budget)
        each = int(OTHERS_SHARE * budget) // len(names) if names else 0
        sizes = cosine(long, FIRST_STEP * eps)
        walk(problem, problem.random_start(), sizes, momentum=MOMENTUM, stop=stop)
        for name in names if each else []:
            rows = stop.going()
            if len(rows):
                small = cosine(each, POLISH * eps)
                start = problem.best.images[rows]
                walk(problem, start, small, rows, momentum=MOMENTUM, by=name, stop=stop)
        rows = stop.going()
        if len(rows):
            left = budget - long - each * len(names)
            accelerate(problem, problem.best.images[rows], left, rows, first_step=POLISH, stop=stop)
        rows = stop.going()
        if len(rows) and problem.budget.norm == "linf":
            start, value = problem.best.images[rows], problem.best.loss[rows]
            repaint(problem, start, value, rows, budget, SQUARES, stop)
            stop(rows)

    def gradient_evaluations(self) -> int:
        return self.config.gradients


class Settled:
    """Which samples are done: solved, and solved as an 8-bit file would hold them.

    Args:
        problem: the batch under attack.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.done = torch.zeros_like(problem.best.solved)

    def __call__(self, rows: Tensor) -> Tensor:
        """(b,) bool of ``rows`` (b,); asks one query of a sample that is solved but not known to be done."""
        problem = self._problem
        new = rows[problem.best.solved[rows] & ~self.done[rows]]
        if len(new):
            clean = problem.images[new]
            radius = problem.budget.eps if problem.budget.norm == "linf" else None
            rounded = round_to_8_bits(problem.best.images[new], clean, radius)
            # A clean value between two levels may have none inside the budget.
            inside = problem.budget.contains(rounded - clean)
            new, rounded = new[inside], rounded[inside]
            if len(new):
                self.done[new] = problem.settle(rounded, new)
        return self.done[rows]

    def going(self) -> Tensor:
        """(b,) places of the samples that are not done."""
        return (~self.done).nonzero().flatten()
