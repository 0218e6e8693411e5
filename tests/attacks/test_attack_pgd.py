"""PGD against its contract, a naive re-computation, and its own variants."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from attack_contract import AttackContract, Pull, attacked, pictures

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams


class TestPGD(AttackContract):
    def make(self) -> Attack:
        return PGD(PGDConfig(steps=6, step_rule="scaled"))


class TestPGDCosine(AttackContract):
    def make(self) -> Attack:
        return PGD(PGDConfig(steps=8, step_rule="cosine", momentum=0.5))


class TestPGDRestarts(AttackContract):
    def make(self) -> Attack:
        return PGD(PGDConfig(steps=4, step_rule="scaled", restarts=2))


def naive(sizes: list[float], eps: float, norm: str, start: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """PGD written down once more, one sample at a time, from the definition."""
    images, found, losses = pictures(3), [], []
    for place in range(3):
        clean, loss = images[place : place + 1], Pull([place])
        x = clean
        if start:
            x = (clean + Streams([place]).uniform((3, 12, 12), -eps, eps)).clamp(0, 1)
        best, lowest = clean, math.inf
        for size in [*sizes, None]:
            x = x.detach().requires_grad_()
            value = loss(x, torch.tensor([0]))[0]
            if value.item() < lowest:
                best, lowest = x.detach(), value.item()
            if size is None:
                break
            (g,) = torch.autograd.grad(value, x)
            if norm == "linf":
                x = (clean + (x - size * g.sign() - clean).clamp(-eps, eps)).clamp(0, 1)
            else:
                delta = x - size * g / g.norm() - clean
                x = (clean + delta * min(1.0, eps / delta.norm().item())).clamp(0, 1)
        found.append(best)
        losses.append(lowest)
    return torch.cat(found), torch.tensor(losses)


@pytest.mark.parametrize(
    ("norm", "eps", "start"), [("linf", 0.05, False), ("linf", 0.05, True), ("l2", 0.5, False)]
)
def test_equals_a_naive_recomputation(norm: str, eps: float, start: bool) -> None:
    images, losses = naive([eps / 10 * 2.5] * 10, eps, norm, start)
    attack = PGD(PGDConfig(steps=10, step_rule="scaled", random_start=start))
    result, _, _ = attacked(attack, budget=Budget(norm, eps))  # type: ignore[arg-type]
    torch.testing.assert_close(result.images, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.loss, losses, atol=1e-5, rtol=0)


def test_step_rules() -> None:
    assert PGD(PGDConfig(steps=4)).step_sizes(0.08) == pytest.approx([0.02] * 4)
    assert PGD(PGDConfig(steps=4, step_rule="scaled")).step_sizes(0.08) == pytest.approx([0.05] * 4)
    cosine = PGD(PGDConfig(steps=4, step_rule="cosine", first_step=2.0)).step_sizes(0.1)
    assert cosine == pytest.approx(
        [0.2, 0.1 + 0.1 * math.cos(math.pi / 4), 0.1, 0.1 - 0.1 * math.cos(math.pi / 4)]
    )


VARIANTS: list[dict[str, Any]] = [
    {},
    {"step_rule": "scaled"},
    {"step_rule": "cosine"},
    {"step_rule": "cosine", "first_step": 3.0},
    {"random_start": False},
    {"restarts": 3},
    {"momentum": 0.9},
    {"steps": 4},
]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_setting_changes_the_result(norm: str) -> None:
    eps = 0.05 if norm == "linf" else 0.5
    images = [
        attacked(PGD(PGDConfig(**{"steps": 5, **v})), budget=Budget(norm, eps))[0].images  # type: ignore[arg-type]
        for v in VARIANTS
    ]
    for i, first in enumerate(images):
        for j in range(i):
            assert not torch.equal(first, images[j]), (VARIANTS[i], VARIANTS[j])


def test_keep_last_ends_where_the_descent_ends() -> None:
    def valley(pixels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (pixels - 0.45).square().flatten(1).sum(1)

    images = torch.full((1, 3, 4, 4), 0.5)
    ends = {}
    for keep in ("best", "last"):
        # Steps of 0.04 from 0.5: 0.46 is the best, 0.42 the last of two.
        settings = {"steps": 2, "step_rule": "cosine", "random_start": False, "first_step": 0.8, "keep": keep}
        attack = PGD(PGDConfig(**settings))
        attack.step_sizes = lambda eps: [0.04, 0.04]  # type: ignore[method-assign]
        ends[keep] = float(attack(valley, images, Budget("linf", 0.2), Streams([0])).images.mean())
    assert ends == {"best": pytest.approx(0.46), "last": pytest.approx(0.42)}


def test_restarts_are_chosen_per_sample_and_only_help() -> None:
    one = attacked(PGD(PGDConfig(steps=3)), count=8)[0]
    many = attacked(PGD(PGDConfig(steps=3, restarts=4)), count=8)[0]
    assert (many.loss <= one.loss).all()
    assert (many.loss < one.loss).any()
    assert many.gradient_evaluations.tolist() == [12] * 8
    assert many.queries.tolist() == [16] * 8


def test_random_start_fills_the_ball_and_stays_in_range() -> None:
    from elliot_advrec.attacks.problem import Problem

    images = torch.full((4, 3, 12, 12), 0.5)
    images[3] = 1.0
    linf = Problem(Pull([0] * 4), images, Budget("linf", 0.1), Streams(range(4))).random_start() - images
    assert linf[:3].abs().max() > 0.099
    assert abs(float(linf[:3].mean())) < 0.01
    assert linf[3].max() == 0
    l2 = Problem(Pull([0] * 4), images, Budget("l2", 0.1), Streams(range(4))).random_start() - images
    length = l2.flatten(1).norm(dim=1)
    assert (length[:3] <= 0.1 + 1e-6).all()
    assert (length[:3] > 0.09).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"restarts": 2, "random_start": False}, "restarts need random_start"),
        ({"first_step": 2.0}, "first_step is only used with step_rule: cosine"),
        ({"steps": 0}, "steps.* must be at least 1"),
        ({"momentum": 1.1}, "momentum.* must be at most 1"),
        ({"stepsize": 1}, "unknown key 'stepsize'"),
    ],
)
def test_settings_that_cannot_act_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(PGDConfig, settings, "pgd")
