"""Attacks that show another item's picture, whole, faintly or as an inset; they look at nothing."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

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
    unbounded: ClassVar[bool] = True
    imitates: ClassVar[bool] = True

    def run(self, problem: Problem) -> None:
        _unbounded(problem, "a replaced picture", "replace")
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
    imitates: ClassVar[bool] = True

    def run(self, problem: Problem) -> None:
        _show(problem, problem.images + self.config.amount * problem.reference())

    def gradient_evaluations(self) -> int:
        return 0


class PasteConfig(Config):
    """Settings of Paste."""

    scale: float = Field(default=0.4, gt=0, le=1)
    """Side of the inset over the side of the picture; 1 covers the whole picture."""
    position: Literal["bottom_right", "bottom_left", "top_right", "top_left", "centre"] = "bottom_right"
    """The corner the inset lies in, or the middle."""


class Paste(Attack):
    """Sets a small copy of another item's picture into the item's own, for all to see (c-SEMA, AIP).

    Liu & Larson 2021 show a popular item in one picture with the cold one. Here the other picture, made
    smaller (bilinear, antialiased), lies in a corner and all else stays as it was; size and corner are ours.
    What is visible on purpose is held to no budget: it must be given as unbounded, eps 1 in L-infinity. The
    result is that picture, whether or not it helps; no gradient, one query a sample.
    """

    config_class = PasteConfig
    config: PasteConfig
    needs: ClassVar[Needs] = "values"
    unbounded: ClassVar[bool] = True
    imitates: ClassVar[bool] = True

    def run(self, problem: Problem) -> None:
        _unbounded(problem, "an inset", "paste")
        size = (height, width) = problem.images.shape[-2:]
        inset = [max(1, round(self.config.scale * side)) for side in size]
        small = functional.interpolate(problem.reference(), inset, mode="bilinear", antialias=True)
        top, left = _corner(self.config.position, (height - inset[0], width - inset[1]))
        pictures = problem.images.clone()
        pictures[:, :, top : top + inset[0], left : left + inset[1]] = small
        _show(problem, pictures)

    def gradient_evaluations(self) -> int:
        return 0


def _corner(position: str, free: tuple[int, int]) -> tuple[int, int]:
    """Upper left pixel of an inset that leaves ``free`` (vertical, horizontal) pixels."""
    if position == "centre":
        return free[0] // 2, free[1] // 2
    vertical, horizontal = position.split("_")
    return free[0] * (vertical == "bottom"), free[1] * (horizontal == "right")


def _unbounded(problem: Problem, what: str, name: str) -> None:
    if problem.budget.norm != "linf" or problem.budget.eps < 1.0:
        raise ValueError(f"{what} knows no budget: give {name} an unbounded one, eps: 1.0 in norm linf")


def _show(problem: Problem, pictures: Tensor) -> None:
    """Make ``pictures``, brought into the budget, the result."""
    points = problem.project_(pictures)
    value = problem.evaluate(points, offer=False)
    problem.best.keep(points, value, torch.ones_like(value, dtype=torch.bool))
