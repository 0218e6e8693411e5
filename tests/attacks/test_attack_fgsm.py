"""FGSM against its contract and its definition."""

from __future__ import annotations

import pytest
import torch
from attack_contract import AttackContract, Pull, attacked, pictures

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.fgsm import FGSM, FGSMConfig
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.streams import Streams


class TestFGSM(AttackContract):
    def make(self) -> Attack:
        return FGSM()


@pytest.mark.parametrize("budget", [Budget("linf", 0.03), Budget("l2", 0.4)], ids=["linf", "l2"])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_equals_one_step_of_pgd_without_random_start(budget: Budget, keep: str) -> None:
    fgsm, _, _ = attacked(FGSM(FGSMConfig(keep=keep)), budget=budget)  # type: ignore[arg-type]
    pgd, _, _ = attacked(PGD(PGDConfig(steps=1, random_start=False, keep=keep)), budget=budget)  # type: ignore[arg-type]
    assert torch.equal(fgsm.images, pgd.images)
    assert torch.equal(fgsm.loss, pgd.loss)


def test_last_is_the_formula() -> None:
    images = pictures(3).requires_grad_()
    loss = Pull([0, 1, 2])
    (gradient,) = torch.autograd.grad(loss(images, torch.arange(3)).sum(), images)
    expected = (images - 0.03 * gradient.sign()).clamp(0, 1)
    found, _, _ = attacked(FGSM(FGSMConfig(keep="last")), budget=Budget("linf", 0.03))
    torch.testing.assert_close(found.images, expected.detach(), atol=1e-7, rtol=0)


def test_best_keeps_the_clean_image_where_the_step_overshoots() -> None:
    def valley(pixels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (pixels - 0.49).square().flatten(1).sum(1)

    images = torch.full((1, 3, 4, 4), 0.5)
    streams = Streams([0])
    best = FGSM()(valley, images, Budget("linf", 0.2), streams)
    last = FGSM(FGSMConfig(keep="last"))(valley, images, Budget("linf", 0.2), streams)
    assert torch.equal(best.images, images)
    torch.testing.assert_close(last.images, images - 0.2)
    assert best.loss < last.loss
    assert best.queries.tolist() == last.queries.tolist() == [2]
