"""The baselines that show another item's picture, whole or faintly; they look at nothing."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.base import Attack, Needs
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config


class Replace(Attack):
    """Replaces the picture by another item's, such as the most popular one's (Cohen et al. 2021, 4.3).

    Which item that is, is the threat's business. Nothing of the clean picture stays, so no budget is held:
    it must be given as unbounded, eps 1 in L-infinity. The result is that picture, whether or not it helps;
    no gradient, one query a sample.
    """

    needs: ClassVar[Needs] = "values"

    def run(self, problem: Problem) -> None:
        if problem.budget.norm != "linf" or problem.budget.eps < 1.0:
            raise ValueError(
                "a replaced picture knows no budget: give replace an unbounded one, eps: 1.0 in norm linf"
            )
        _show(problem, problem.reference())

    def gradient_evaluations(self) -> int:
        return 0


class BlendConfig(Config):
    """Settings of Blend."""

    amount: float = Field(default=0.1, gt=0, le=1)
    """Share of the other picture that is added, a; the original tried 0.01 to 0.1."""


class Blend(Attack):
    """Adds a faint copy of another item's picture: p + a * p_pop (Cohen et al. 2021, 4.3).

    The sum is brought into the budget and into [0,1], and is the result whether or not it helps; no gradient,
    one query a sample.
    """

    config_class = BlendConfig
    config: BlendConfig
    needs: ClassVar[Needs] = "values"

    def run(self, problem: Problem) -> None:
        _show(problem, problem.images + self.config.amount * problem.reference())

    def gradient_evaluations(self) -> int:
        return 0


def _show(problem: Problem, pictures: Tensor) -> None:
    """Make ``pictures``, brought into the budget, the result."""
    points = problem.project_(pictures)
    value = problem.evaluate(points, offer=False)
    problem.keep(points, value, torch.ones_like(value, dtype=torch.bool))
