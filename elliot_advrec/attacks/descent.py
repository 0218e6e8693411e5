"""The one gradient loop: projected descent by normalised steps, of which FGSM is a single one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from elliot_advrec.attacks.budget import Budget, per_sample
from elliot_advrec.attacks.problem import Problem

Keep = Literal["best", "last"]

Stop = Callable[[Tensor], Tensor]
"""rows (b,) long, places in the batch -> (b,) bool: those that need no further step."""


def descend(
    problem: Problem,
    step_sizes: Sequence[float],
    *,
    random_start: bool = False,
    restarts: int = 1,
    momentum: float = 0.0,
    keep: Keep = "best",
) -> None:
    """Run ``x <- project(x - size * direction(gradient))`` once for each of ``step_sizes``.

    Args:
        problem: the batch under attack.
        step_sizes: pixel units, in the budget's norm.
        random_start: begin at a uniform draw from the ball rather than at the clean image.
        restarts: how often the whole descent is done; each sample keeps the better end.
        momentum: share of the accumulated direction that is kept, in [0,1]; 0 is plain descent.
        keep: ``best`` of all points visited, first and last included, or the ``last`` of each restart.
    """
    for _ in range(restarts):
        points = problem.random_start() if random_start else problem.images.clone()
        walk(problem, points, step_sizes, momentum=momentum, keep=keep)


def walk(
    problem: Problem,
    points: Tensor,
    step_sizes: Sequence[float],
    rows: Tensor | None = None,
    *,
    momentum: float = 0.0,
    keep: Keep = "best",
    by: str | None = None,
    stop: Stop | None = None,
) -> None:
    """One descent from given points.

    Args:
        problem: the batch under attack.
        points: (b,3,H,W) inside the budget; changed in place.
        step_sizes: as in ``descend``, like ``momentum`` and ``keep``.
        rows: (b,) places in the batch of ``points``; all of them if absent.
        by: the other loss to follow, by name.
        stop: asked after every gradient; who needs no more leaves the batch.
    """
    every = keep == "best"
    velocity: Tensor | None = None
    for size in step_sizes:
        _, gradient = problem.gradient(points, rows, offer=every, by=by)
        if stop is not None:
            places = problem.rows if rows is None else rows
            going = ~stop(places)
            if not bool(going.all()):
                rows, points, gradient = places[going], points[going], gradient[going]
                velocity = None if velocity is None else velocity[going]
                if not len(rows):
                    return
        if momentum:
            # Dong et al. 2018, eq. 6: gradients are summed after scaling each to unit L1 length.
            gradient = _scaled(gradient, gradient.abs().sum((1, 2, 3)))
            velocity = gradient if velocity is None else velocity.mul_(momentum).add_(gradient)
            gradient = velocity
        points.add_(direction(gradient, problem.budget), alpha=-size)
        problem.project_(points, rows)
    problem.evaluate(points, rows)


def cosine(steps: int, first: float) -> list[float]:
    """``steps`` lengths that fall from ``first`` towards 0 along half a cosine."""
    return [first * 0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]


def direction(gradient: Tensor, budget: Budget) -> Tensor:
    """Steepest ascent of unit length in the budget's norm: the sign, or the gradient scaled; a new tensor."""
    if budget.norm == "linf":
        return gradient.sign()
    return _scaled(gradient, torch.linalg.vector_norm(gradient, dim=(1, 2, 3)))


def _scaled(gradient: Tensor, length: Tensor) -> Tensor:
    # A zero gradient stays zero instead of becoming NaN.
    return gradient / per_sample(length.clamp_min(1e-30), gradient)
