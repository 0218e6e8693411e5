"""CW in the ball and CW in its L2 form."""

from __future__ import annotations

import torch
from attack_contract import AttackContract, Pull, attacked, pictures
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.cw import CW, CWConfig, ShrinkingAdam
from elliot_advrec.attacks.cw_l2 import CWL2, CWL2Config
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.streams import Streams


class TestCW(AttackContract):
    def make(self) -> Attack:
        return CW(CWConfig(steps=20))


class TestCWWithoutAbort(AttackContract):
    def make(self) -> Attack:
        return CW(CWConfig(steps=8, abort_early=False))


class TestCWL2(AttackContract):
    seeks_lowest_loss = False

    def make(self) -> Attack:
        return CWL2(CWL2Config(steps=12, search_steps=4, threshold=0.05, initial_constant=10.0))


def test_equals_torch_adam_with_projection() -> None:
    images, loss = pictures(3), Pull([0, 1, 2])
    x = images.clone().requires_grad_()
    adam = torch.optim.Adam([x], lr=0.005)
    best, lowest = images.clone(), torch.full((3,), torch.inf)
    for step in range(16):
        value = loss(x, torch.arange(3))
        better = value < lowest
        best[better], lowest[better] = x.detach()[better], value.detach()[better]
        if step < 15:
            adam.zero_grad()
            value.sum().backward()
            adam.step()
            with torch.no_grad():
                x.copy_((images + (x - images).clamp(-0.03, 0.03)).clamp(0, 1))
    found, _, _ = attacked(CW(CWConfig(steps=15, abort_early=False)), budget=Budget("linf", 0.03))
    torch.testing.assert_close(found.images, best, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, lowest, atol=1e-5, rtol=0)


def uneven(pixels: Tensor, rows: Tensor) -> Tensor:
    """A bowl whose floor sample 0 stands on already, while the others have a long way to go."""
    goal = torch.where(rows == 0, 0.5, 0.1).view(-1, 1, 1, 1)
    return (pixels - goal).square().flatten(1).mean(1)


def test_a_sample_stops_by_its_own_progress() -> None:
    images = torch.full((3, 3, 6, 6), 0.5)
    budget, streams = Budget("linf", 0.5), Streams([0, 1, 2])
    found = CW(CWConfig(steps=50))(uneven, images, budget, streams)
    # Sample 0 is done at the end of its second window of 5 steps: the first shows progress from nothing.
    assert found.gradient_evaluations.tolist() == [10, 50, 50]
    assert found.queries.tolist() == [11, 51, 51]
    full = CW(CWConfig(steps=50, abort_early=False))(uneven, images, budget, streams)
    assert full.gradient_evaluations.tolist() == [50, 50, 50]
    # Leaving the batch must not disturb those that stay: their Adam state goes with them.
    torch.testing.assert_close(found.images[1:], full.images[1:], atol=1e-6, rtol=0)


def test_shrinking_adam_carries_its_state() -> None:
    gradients = torch.randn(6, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    whole, part = (ShrinkingAdam(torch.zeros(4, 3, 2, 2), 0.1) for _ in range(2))
    going = torch.tensor([True, False, True, False])
    for step, gradient in enumerate(gradients):
        whole.step(gradient)
        part.step(gradient if step < 3 else gradient[going])
        if step == 2:
            part.shrink(going)
    assert torch.equal(part.points, whole.points[going])


def test_variants_differ_from_each_other_and_from_pgd() -> None:
    budget = Budget("linf", 0.05)
    attacks: list[Attack] = [
        CW(CWConfig(steps=10)),
        CW(CWConfig(steps=10, learning_rate=0.02)),
        CWL2(CWL2Config(steps=10, search_steps=3)),
        PGD(PGDConfig(steps=10)),
    ]
    images = [attacked(attack, budget=budget)[0].images for attack in attacks]
    for i, first in enumerate(images):
        for other in images[:i]:
            assert not torch.equal(first, other)


def plane(pixels: Tensor, rows: Tensor) -> Tensor:
    """Falls by 1 for each unit of length along one direction: the shortest change is known exactly."""
    return 1.0 - (pixels - 0.5).flatten(1).sum(1) / pixels[0].numel() ** 0.5


def test_l2_form_finds_the_shortest_change_that_succeeds() -> None:
    images = torch.full((2, 3, 4, 4), 0.5)
    settings = CWL2Config(steps=150, search_steps=9, threshold=0.6, learning_rate=0.01)
    found = CWL2(settings)(plane, images, Budget("l2", 2.0), Streams([0, 1]))
    length = (found.images - images).flatten(1).norm(dim=1)
    assert (found.loss <= 0.6).all()
    # Success needs a length of 0.4 at least; the search must come within a few percent of it.
    assert (length >= 0.4 - 1e-5).all()
    assert (length <= 0.42).all()


def test_l2_form_outside_the_budget_gives_the_lowest_loss_inside() -> None:
    images = torch.full((2, 3, 4, 4), 0.5)
    settings = CWL2Config(steps=60, search_steps=5, threshold=0.6)
    found = CWL2(settings)(plane, images, Budget("l2", 0.1), Streams([0, 1]))
    assert (found.loss > 0.6).all()
    # Projected, the success lies on the ball's surface in the very direction of the plane.
    torch.testing.assert_close(found.loss, torch.full((2,), 0.9), atol=2e-3, rtol=0)


def test_l2_form_searches_the_constant_per_sample() -> None:
    def steep(pixels: Tensor, rows: Tensor) -> Tensor:
        return plane(pixels, rows) * torch.where(rows == 0, 1.0, 0.01)

    images = torch.full((2, 3, 4, 4), 0.5)
    scores = []
    for tries in (1, 6):
        settings = CWL2Config(steps=60, search_steps=tries, threshold=0.006, initial_constant=1.0)
        scores.append(CWL2(settings)(steep, images, Budget("l2", 3.0), Streams([0, 1])).loss)
    # With one constant the flat sample gets nowhere; ten times larger ones reach it.
    assert scores[0][1] > 0.006
    assert scores[1][1] <= 0.006
