"""Random search by squares: a black-box attack that looks at nothing but values."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.base import Attack, Needs
from elliot_advrec.attacks.budget import Norm, per_sample
from elliot_advrec.attacks.descent import Stop
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Config

# Andriushchenko et al. 2020, section 3.2: the share of pixels halves at these of 10,000 queries.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


class SquareConfig(Config):
    """Settings of Square."""

    queries: int = Field(default=1000, ge=2)
    """Hard budget of queries, the clean picture's included; the halving of the squares is scaled to it."""
    first_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the pixels that the first squares cover, p."""


class Square(Attack):
    """Square attack: random search by squares of the full budget (Andriushchenko et al. 2020).

    Begins with vertical stripes of plus or minus eps, then repaints one random square at a time, each channel
    at plus or minus eps, and keeps what lowers the value. The squares shrink as queries are spent. L-infinity
    only; no gradient, ``queries`` queries a sample.
    """

    config_class = SquareConfig
    config: SquareConfig
    needs: ClassVar[Needs] = "values"
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)

    def run(self, problem: Problem) -> None:
        problem.evaluate(problem.images)
        stripes = problem.streams.uniform((3, 1, problem.images.shape[-1]), -1.0, 1.0)
        noise = torch.where(stripes < 0, -1.0, 1.0).to(problem.images.device) * problem.budget.eps
        points = problem.project_(problem.images + noise)
        value = problem.evaluate(points)
        repaint(problem, points, value, problem.rows, self.config.queries - 2, self.config.first_share)

    def gradient_evaluations(self) -> int:
        return 0


def repaint(
    problem: Problem,
    points: Tensor,
    value: Tensor,
    rows: Tensor,
    queries: int,
    first_share: float,
    stop: Stop | None = None,
) -> None:
    """The search by squares from given points.

    Args:
        problem: the batch under attack.
        points: (b,3,H,W) inside an L-infinity budget.
        value: (b,) at them.
        rows: (b,) places in the batch.
        queries: how many squares are tried.
        first_share: share of the pixels that the first ones cover.
        stop: asked after every query; who needs no more leaves the batch.
    """
    streams = problem.streams_of(rows)
    high, wide = points.shape[-2:]
    down, across = torch.arange(high), torch.arange(wide)
    for query in range(queries):
        side = round((share(query / queries, first_share) * high * wide) ** 0.5)
        side = max(1, min(side, high, wide))
        drawn = streams.uniform((5,))
        top = (drawn[:, 0] * (high - side + 1)).long()[:, None]
        left = (drawn[:, 1] * (wide - side + 1)).long()[:, None]
        tall, broad = ((at >= from_) & (at < from_ + side) for at, from_ in ((down, top), (across, left)))
        inside = (tall[:, None, :, None] & broad[:, None, None, :]).to(points.device)
        colour = torch.where(drawn[:, 2:, None, None] < 0.5, -1.0, 1.0).to(points.device)
        painted = problem.project_(problem.images[rows] + colour * problem.budget.eps, rows)
        tried = torch.where(inside, painted, points)
        found = problem.evaluate(tried, rows)
        better = found < value
        points = torch.where(per_sample(better, points), tried, points)
        value = torch.where(better, found, value)
        if stop is not None:
            going = ~stop(rows)
            if not bool(going.all()):
                kept = going.nonzero().flatten().tolist()
                rows, points, value, streams = rows[going], points[going], value[going], streams.take(kept)
                if not kept:
                    return


def share(progress: float, first: float) -> float:
    """Share of the pixels in a square after ``progress`` in [0,1] of the queries."""
    return first / 2.0 ** sum(progress * 10000 > at for at in HALVINGS)
