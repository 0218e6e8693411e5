"""APGD against its contract, its schedule and a bowl where plain steps of its size get nowhere."""

from __future__ import annotations

import pytest
import torch
from attack_contract import AttackContract, attacked
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.apgd import APGD, APGDConfig, checkpoints
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams


class TestAPGD(AttackContract):
    def make(self) -> Attack:
        return APGD(APGDConfig(steps=12))


class TestAPGDRestartsFromTheCleanImage(AttackContract):
    def make(self) -> Attack:
        return APGD(APGDConfig(steps=6, random_start=False))


def test_checkpoints_are_those_of_the_paper() -> None:
    # Croce & Hein 2020, section 3: p0 = 0, p1 = 0.22, p(j+1) = p(j) + max(p(j) - p(j-1) - 0.03, 0.06).
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1000) == [220, 410, 570, 700, 800, 870, 930, 990]
    assert checkpoints(1) == []


def naive(loss, clean: Tensor, eps: float, steps: int) -> tuple[Tensor, float]:  # type: ignore[no-untyped-def]
    """Algorithm 1 for one picture, written down once more from the paper (minimising)."""

    def at(x: Tensor) -> tuple[float, Tensor]:
        x = x.detach().requires_grad_()
        value = loss(x, torch.tensor([0]))[0]
        return value.item(), torch.autograd.grad(value, x)[0].detach()

    def project(x: Tensor) -> Tensor:
        return (clean + (x - clean).clamp(-eps, eps)).clamp(0, 1)

    size, marks, alpha = 2 * eps, checkpoints(steps), 0.75
    previous = x = clean
    value, gradient = at(x)
    best, lowest, best_gradient = x, value, gradient
    improved, window, lowest_then, halved = 0, 0, lowest, False
    for step in range(steps):
        if step:
            new_value, gradient = at(x)
            improved += new_value < value
            value = new_value
            if value < lowest:
                best, lowest, best_gradient = x, value, gradient
        if step in marks:
            halved = improved < 0.75 * (step - window) or (not halved and lowest_then == lowest)
            if halved:
                size, x, previous, value, gradient = size / 2, best, best, lowest, best_gradient
            improved, window, lowest_then = 0, step, lowest
        z = project(x - size * gradient.sign())
        new = z if step == 0 else project(x + alpha * (z - x) + (1 - alpha) * (x - previous))
        previous, x = x, new
    value, _ = at(x)
    return (x, value) if value < lowest else (best, lowest)


def test_equals_a_naive_recomputation() -> None:
    from attack_contract import Pull, pictures

    images, loss = pictures(3), Pull([0, 1, 2])
    found = APGD(APGDConfig(steps=30, random_start=False))(
        loss, images, Budget("linf", 0.05), Streams([0, 1, 2])
    )
    for place in range(3):
        image, lowest = naive(Pull([place]), images[place : place + 1], 0.05, 30)
        torch.testing.assert_close(found.images[place : place + 1], image, atol=1e-5, rtol=0)
        assert float(found.loss[place]) == pytest.approx(lowest, abs=1e-5)
    assert found.gradient_evaluations.tolist() == [30] * 3
    assert found.queries.tolist() == [31] * 3


def test_halves_its_steps_where_constant_ones_jump_over_the_floor() -> None:
    def bowl(pixels: Tensor, rows: Tensor) -> Tensor:
        return (pixels - 0.53).square().flatten(1).sum(1)

    images, budget = torch.full((1, 3, 4, 4), 0.5), Budget("linf", 0.2)
    found = APGD(APGDConfig(steps=60, random_start=False))(bowl, images, budget, Streams([0]))
    plain = PGD(PGDConfig(steps=4, step_rule="scaled", random_start=False))(
        bowl, images, budget, Streams([0])
    )
    assert float(found.loss) < 1e-3 * float(plain.loss)


def test_restarts_only_help() -> None:
    one = attacked(APGD(APGDConfig(steps=4)), count=8)[0]
    many = attacked(APGD(APGDConfig(steps=4, restarts=3)), count=8)[0]
    assert (many.loss <= one.loss).all()
    assert (many.loss < one.loss).any()
    assert many.gradient_evaluations.tolist() == [12] * 8


def test_restarts_without_a_random_start_are_refused() -> None:
    with pytest.raises(UserError, match="restarts need random_start"):
        validate(APGDConfig, {"restarts": 2, "random_start": False}, "apgd")
