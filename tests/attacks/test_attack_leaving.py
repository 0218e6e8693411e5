"""Samples that leave in the middle of an attack: their batch-mates must not notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from attack_contract import Pull, pictures
from torch import Tensor

from elliot_advrec.attacks import Budget, EmbeddingLoss, Problem
from elliot_advrec.attacks.apgd import accelerate
from elliot_advrec.attacks.descent import Stop, cosine, walk
from elliot_advrec.attacks.square import repaint
from elliot_advrec.streams import Streams

BALL = Budget("linf", 0.05)


def by_apgd(problem: Problem, stop: Stop | None) -> None:
    accelerate(problem, problem.images.clone(), 20, stop=stop)


def by_descent(problem: Problem, stop: Stop | None) -> None:
    walk(problem, problem.images.clone(), cosine(20, 0.1), momentum=0.75, stop=stop)


def by_squares(problem: Problem, stop: Stop | None) -> None:
    start = problem.images.clone()
    repaint(problem, start, problem.evaluate(start), problem.rows, 20, 0.3, stop)


def run(member: Callable[[Problem, Stop | None], None], leave: dict[int, int]) -> Problem:
    """Three pictures, of which ``leave`` says after how many questions each goes."""
    problem = Problem(Pull([0, 1, 2]), pictures(3), BALL, Streams([0, 1, 2]))
    asked = torch.zeros(3, dtype=torch.long)
    limit = torch.tensor([leave.get(row, 1000) for row in range(3)])

    def stop(rows: Tensor) -> Tensor:
        asked[rows] += 1
        return asked[rows] >= limit[rows]

    member(problem, stop if leave else None)
    return problem


@pytest.mark.parametrize("member", [by_apgd, by_descent, by_squares])
def test_who_stays_goes_on_as_before(member: Callable[[Problem, Stop | None], None]) -> None:
    whole, thinned = run(member, {}), run(member, {0: 3, 2: 9})
    torch.testing.assert_close(thinned.best.images[1], whole.best.images[1], atol=2e-4, rtol=0)
    torch.testing.assert_close(thinned.best.loss[1], whole.best.loss[1], atol=1e-4, rtol=0)
    spent, full = thinned.oracle.queries.tolist(), whole.oracle.queries.tolist()
    extra = 1 if member is by_squares else 0
    assert spent == [3 + extra, full[1], 9 + extra]
    assert (thinned.best.loss >= whole.best.loss - 1e-4).all()


@pytest.mark.parametrize("member", [by_apgd, by_descent, by_squares])
def test_nothing_is_asked_once_all_have_left(member: Callable[[Problem, Stop | None], None]) -> None:
    problem = run(member, {0: 2, 1: 2, 2: 2})
    assert problem.oracle.queries.tolist() == [3 if member is by_squares else 2] * 3


def test_embeddings_alone_do_not_make_a_loss_of_floats() -> None:
    loss = EmbeddingLoss(lambda pixels: pixels.flatten(1), lambda e, rows: rows)
    with pytest.raises(ValueError, match=r"must return \(1,\) floats, one a sample, got \(1,\)"):
        Problem(loss, pictures(1), BALL, Streams([0])).evaluate(pictures(1))
