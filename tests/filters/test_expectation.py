"""EOT: the mean over draws, its gradient, its memory and its independence."""

from __future__ import annotations

import pytest
import torch
from filter_contract import make, pictures

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.filters.expectation import DRAWS, AdaptiveView, expectation
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams

WEIGHT = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))


def curved(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * WEIGHT).sum((1, 2, 3)).square()


def test_at_least_twenty_draws_by_default() -> None:
    assert DRAWS >= 20


def test_value_and_gradient_are_means_over_the_draws() -> None:
    noise, given, seeds = make("gaussian", sigma=0.2), pictures(3, 16, 16), [7, 8, 9]
    points = given.clone().requires_grad_()
    found = expectation(curved, noise, points, seeds, draws=5)
    (gradient,) = torch.autograd.grad(found.sum(), points)
    values, slopes = [], []
    for draw in range(5):
        other = given.clone().requires_grad_()
        value = curved(noise(other, Streams([stream_seed(seed, "draw", draw) for seed in seeds])))
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value.sum(), other)[0])
    assert torch.allclose(found.detach(), torch.stack(values).mean(0), rtol=1e-5)
    assert torch.allclose(gradient, torch.stack(slopes).mean(0), rtol=1e-4, atol=1e-4)
    assert torch.stack(values).std(0).min() > 0
    with torch.no_grad():
        assert torch.allclose(expectation(curved, noise, given, seeds, draws=5), found, rtol=1e-5)


def test_what_does_not_draw_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = make("reconstruction", resize_pad=True, width=4, blocks=1, smallest=0.6)
    given, seeds = pictures(2, 16, 16), [3, 4]
    runs: list[int] = []
    drawing.network.register_forward_hook(lambda *_: runs.append(1))  # type: ignore[attr-defined]

    def both() -> list[torch.Tensor]:
        points = given.clone().requires_grad_()
        value = expectation(curved, drawing, points, seeds, draws=6)
        return [value.detach(), torch.autograd.grad(value.sum(), points)[0]]

    found = both()
    assert len(runs) == 1
    monkeypatch.setattr(type(drawing), "divided", lambda self: None)
    expected = both()
    assert len(runs) > 6  # every draw, and again for its gradient
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_more_draws_vary_less() -> None:
    noise, given = make("gaussian", sigma=0.2), pictures(1, 16, 16)

    def spread(draws: int) -> float:
        found = [float(expectation(curved, noise, given, [seed], draws=draws)) for seed in range(30)]
        return float(torch.tensor(found).std())

    assert spread(20) < 0.5 * spread(1)


def test_a_filter_that_does_not_draw_is_run_once() -> None:
    calls = []

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        calls.append(len(pixels))
        return curved(pixels)

    jpeg, given = make("jpeg"), pictures(2, 16, 16)
    found = expectation(counted, jpeg, given, [], draws=20)
    assert calls == [2]
    assert torch.equal(found, curved(jpeg(given)))


def test_bad_calls() -> None:
    noise, given = make("gaussian"), pictures(2, 16, 16)
    with pytest.raises(ValueError, match="at least 1 draw, got 0"):
        expectation(curved, noise, given, [1, 2], draws=0)
    with pytest.raises(ValueError, match="2 pictures need 2 seeds, got 1"):
        expectation(curved, noise, given, [1])


def test_the_view_draws_anew_and_independently_of_the_batch() -> None:
    noise, given = make("gaussian", sigma=0.2), pictures(3, 16, 16)

    def view() -> AdaptiveView:
        return AdaptiveView(lambda pixels, rows: curved(pixels), noise, [4, 5, 6], draws=3)

    rows, whole = torch.arange(3), view()
    first, second = whole(given, rows), whole(given, rows)
    assert not torch.equal(first, second)
    pieces = view()
    for row in (2, 0, 1):
        alone = [pieces(given[row : row + 1], torch.tensor([row])) for _ in range(2)]
        assert float(alone[0]) == pytest.approx(float(first[row]), rel=1e-5)
        assert float(alone[1]) == pytest.approx(float(second[row]), rel=1e-5)


def test_an_attack_through_the_view_beats_one_that_does_not_know_the_filter() -> None:
    """The loss looks at what random shrinking leaves; PGD without the filter follows wrong pixels."""
    shrink = make("resize_pad", smallest=0.6)
    given = pictures(4, 16, 16) * 0.5 + 0.25
    wanted = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3)) - 0.5

    def loss(pixels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (pixels * wanted).sum((1, 2, 3))

    attack, budget = PGD(PGDConfig(steps=20, step_rule="scaled", keep="last")), Budget("linf", 0.1)
    unaware = attack(loss, given, budget, Streams(range(4))).images
    aware = attack(AdaptiveView(loss, shrink, [11, 12, 13, 14]), given, budget, Streams(range(4))).images

    def judged(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return AdaptiveView(loss, shrink, [91, 92, 93, 94], draws=300)(images, torch.arange(4))

    assert (judged(aware) < judged(unaware) - 0.03).all()
    assert (judged(unaware) < judged(given)).all()
