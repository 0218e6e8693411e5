"""Attacks on values: their contracts, hard budgets, and slopes that are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attack_contract import AttackContract, Pull, of_pixels, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget, EmbeddingLoss
from elliot_advrec.attacks.feature_slope import BlackBoxGradient, BlackBoxGradientConfig, least_norm
from elliot_advrec.attacks.nes import NES, NESConfig
from elliot_advrec.attacks.square import Square, SquareConfig, share
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams

BALL = Budget("linf", 0.05)


class TestBlackBoxGradient(AttackContract):
    def make(self) -> Attack:
        return BlackBoxGradient(BlackBoxGradientConfig(steps=4, perturbations=6, step_size=2.0))


class TestBlackBoxGradientAntithetic(AttackContract):
    def make(self) -> Attack:
        return BlackBoxGradient(BlackBoxGradientConfig(steps=3, perturbations=8, antithetic=True))


class TestSquare(AttackContract):
    def make(self) -> Attack:
        return Square(SquareConfig(queries=40))


class TestNES(AttackContract):
    def make(self) -> Attack:
        return NES(NESConfig(queries=64, samples=20, step_size=0.3))


def linear(dimension: int, inputs: int = 3 * 4 * 4) -> tuple[Tensor, Tensor, EmbeddingLoss]:
    """A linear extractor (D, inputs), the weights (D,) of a linear score, and the score's loss, closed."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(dimension, inputs, generator=generator, dtype=torch.float64).float()
    weights = torch.randn(dimension, generator=generator)
    loss = EmbeddingLoss(
        lambda pixels: pixels.flatten(1) @ matrix.T, lambda e, rows: e @ weights, white_box=False
    )
    return matrix, weights, loss


def test_enough_perturbations_recover_the_slope_of_a_linear_recommender() -> None:
    generator = torch.Generator().manual_seed(1)
    moves = torch.randn(2, 12, 8, generator=generator, dtype=torch.float64)
    slope = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    found = least_norm(moves, (moves @ slope[..., None])[..., 0])
    torch.testing.assert_close(found, slope, atol=1e-10, rtol=0)


def test_few_perturbations_give_the_shortest_slope_that_explains_them() -> None:
    generator = torch.Generator().manual_seed(1)
    moves = torch.randn(2, 5, 8, generator=generator, dtype=torch.float64)
    slope = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    rises = (moves @ slope[..., None])[..., 0]
    found = least_norm(moves, rises)
    torch.testing.assert_close((moves @ found[..., None])[..., 0], rises, atol=1e-10, rtol=0)
    # The shortest solution is the projection of any solution onto the rows' span.
    expected = torch.stack(
        [
            torch.linalg.lstsq(m, r[:, None], driver="gelsd").solution[:, 0]
            for m, r in zip(moves, rises, strict=True)
        ]
    )
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert (found.norm(dim=1) < slope.norm(dim=1)).all()


def test_perturbations_that_change_nothing_give_no_slope() -> None:
    assert least_norm(torch.zeros(1, 3, 4, dtype=torch.float64), torch.ones(1, 3).double()).abs().max() == 0


@pytest.mark.parametrize("antithetic", [False, True])
def test_one_step_is_the_sign_of_the_true_gradient(antithetic: bool) -> None:
    matrix, weights, loss = linear(8)
    images = torch.full((2, 3, 4, 4), 0.5)
    settings = BlackBoxGradientConfig(steps=1, perturbations=20, antithetic=antithetic, queries=22)
    found = BlackBoxGradient(settings)(loss, images, BALL, Streams([0, 1]))
    gradient = (weights @ matrix).view(3, 4, 4)
    expected = images - gradient.sign() / 255
    torch.testing.assert_close(found.images, expected)
    assert found.queries.tolist() == [22, 22]
    assert found.image_updates.tolist() == [21, 21]
    assert found.gradient_evaluations.tolist() == [1, 1]


def test_fewer_perturbations_still_lower_the_score_and_more_lower_it_further() -> None:
    _, _, loss = linear(40)
    images = torch.full((8, 3, 4, 4), 0.5)
    ends = [
        float(
            BlackBoxGradient(BlackBoxGradientConfig(steps=3, perturbations=tries, queries=999))(
                loss, images, BALL, Streams(range(8))
            ).loss.mean()
        )
        for tries in (2, 10, 60)
    ]
    clean = float(loss(images, torch.arange(8)).mean())
    assert clean > ends[0] > ends[1] > ends[2]


def test_ranks_need_no_scale() -> None:
    """A monotone line through the values, as ranks are of scores, leaves every step where it was."""
    _, weights, loss = linear(8)
    scaled = EmbeddingLoss(loss.embed, lambda e, rows: 1e-3 * (e @ weights) + 5.0, white_box=False)
    images = torch.full((1, 3, 4, 4), 0.5)
    attack = BlackBoxGradient(BlackBoxGradientConfig(steps=2, perturbations=30, queries=99))
    ends = [attack(one, images, BALL, Streams([0])).images for one in (loss, scaled)]
    assert float((ends[0] == ends[1]).float().mean()) > 0.95


def test_what_is_watched_is_decided_once_a_step() -> None:
    _, weights, loss = linear(8)
    centres: list[Tensor] = []

    def around(embedding: Tensor, rows: Tensor):  # type: ignore[no-untyped-def]
        centres.append(embedding)
        return lambda e, places: -(e @ weights)

    turned = EmbeddingLoss(loss.embed, loss.main, around=around, white_box=False)
    images = torch.full((1, 3, 4, 4), 0.5)
    attack = BlackBoxGradient(BlackBoxGradientConfig(steps=3, perturbations=20, keep="last", queries=99))
    up = attack(turned, images, BALL, Streams([0]))
    down = attack(loss, images, BALL, Streams([0]))
    assert len(centres) == 3
    # What it watches rises as the score falls, so it walks the other way.
    torch.testing.assert_close(up.images - images, images - down.images)
    assert up.loss > down.loss


def test_steps_stop_at_the_budget_of_pixels() -> None:
    _, _, loss = linear(8)
    images = torch.full((1, 3, 4, 4), 0.5)
    attack = BlackBoxGradient(BlackBoxGradientConfig(steps=6, perturbations=20, queries=999))
    found = attack(loss, images, Budget("linf", 2 / 255), Streams([0]))
    assert float((found.images - images).abs().max()) == pytest.approx(2 / 255, abs=1e-6)


@settings(max_examples=25)
@given(st.integers(3, 70), st.integers(1, 12), st.booleans())
def test_queries_of_the_feature_attack_never_exceed_the_budget(queries: int, tries: int, pairs: bool) -> None:
    config = BlackBoxGradientConfig(
        steps=5, perturbations=tries * (2 if pairs else 1), antithetic=pairs, queries=queries
    )
    loss = of_pixels(lambda pixels, rows: pixels.flatten(1).sum(1))
    images = torch.full((2, 3, 12, 12), 0.5)
    found = BlackBoxGradient(config)(loss, images, BALL, Streams([0, 1]))
    assert (found.queries <= queries).all()
    assert (found.gradient_evaluations <= config.steps).all()


@settings(max_examples=25)
@given(st.integers(4, 70), st.integers(1, 8))
def test_queries_of_nes_and_square_never_exceed_the_budget(queries: int, pairs: int) -> None:
    def loss(pixels: Tensor, rows: Tensor) -> Tensor:
        return pixels.flatten(1).sum(1)

    images = torch.full((2, 3, 4, 4), 0.5)
    attacks: list[Attack] = [
        NES(NESConfig(queries=queries, samples=2 * pairs)),
        Square(SquareConfig(queries=queries)),
    ]
    for attack in attacks:
        found = attack(loss, images, BALL, Streams([0, 1]))
        assert (found.queries <= queries).all()
        assert (found.image_updates < found.queries).all()
    assert found.queries.tolist() == [queries] * 2


def test_nes_walks_down_a_slope() -> None:
    weights = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    images = torch.full((1, 3, 4, 4), 0.5)

    def score(pixels: Tensor, rows: Tensor) -> Tensor:
        return (pixels.double() * weights).flatten(1).sum(1)

    settings = NESConfig(queries=4020, samples=400, sigma=0.01, step_size=0.2)
    found = NES(settings)(score, images, BALL, Streams([0]))
    corner = score(images - 0.05 * weights.sign(), torch.arange(1))
    clean = score(images, torch.arange(1))
    assert float((clean - found.loss) / (clean - corner)) > 0.9


def test_square_paints_at_the_whole_budget_and_shrinks() -> None:
    images = torch.full((2, 3, 12, 12), 0.5)
    found = Square(SquareConfig(queries=30))(Pull([0, 1]), images, BALL, Streams([0, 1]))
    torch.testing.assert_close((found.images - images).abs(), torch.full_like(images, 0.05))
    shares = [share(progress / 100, 0.8) for progress in range(101)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 0.8
    assert shares[100] == 0.8 / 2**9


def test_square_stops_with_more_queries_lower() -> None:
    ends = [
        Square(SquareConfig(queries=n))(Pull([0, 1]), pictures(2), BALL, Streams([0, 1])).loss.mean()
        for n in (4, 300)
    ]
    assert ends[1] < ends[0]


def test_a_loss_without_an_embedding_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a loss that goes through an embedding"):
        BlackBoxGradient()(lambda p, r: p.flatten(1).sum(1), torch.zeros(1, 3, 4, 4), BALL, Streams([0]))


@pytest.mark.parametrize(
    ("config", "bad", "message"),
    [
        (BlackBoxGradientConfig, {"queries": 0}, "queries.* must be at least 3, got 0"),
        (SquareConfig, {"queries": 0}, "queries.* must be at least 2, got 0"),
        (NESConfig, {"queries": 0}, "queries.* must be at least 4, got 0"),
        (BlackBoxGradientConfig, {"perturbations": 0}, "perturbations.* must be at least 1"),
        (BlackBoxGradientConfig, {"perturbations": 5, "antithetic": True}, "come in pairs: make 5 even"),
        (NESConfig, {"samples": 5}, "samples"),
    ],
)
def test_budgets_of_nothing_are_refused(config: Any, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(config, bad, "attack")
