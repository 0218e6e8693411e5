"""RankAuto: its contract, its accounts, and that it is worth its members."""

from __future__ import annotations

import pytest
import torch
from attack_contract import SIZE, AttackContract, Pull, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elliot_advrec.attacks import Attack, AttackResult, Budget, EmbeddingLoss
from elliot_advrec.attacks.apgd import APGD, APGDConfig
from elliot_advrec.attacks.cw import CW, CWConfig
from elliot_advrec.attacks.fgsm import FGSM
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.attacks.rank_auto import RankAuto, RankAutoConfig
from elliot_advrec.attacks.square import Square, SquareConfig
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.perceptual import round_to_8_bits
from elliot_advrec.streams import Streams

BALL = Budget("linf", 0.05)


class TestRankAuto(AttackContract):
    def make(self) -> Attack:
        return RankAuto(RankAutoConfig(gradients=12))


def goal(names: list[int], bar: float, **more: object) -> EmbeddingLoss:
    """``Pull`` that is solved at a loss below ``bar``."""
    pull = Pull(names)

    def solved(embedding: Tensor, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return pull.main(embedding, rows) < bar

    return EmbeddingLoss(pull.embed, pull.main, solved=solved, **more)  # type: ignore[arg-type]


def on_lattice(count: int) -> Tensor:
    return round_to_8_bits(pictures(count))


def run(attack: Attack, loss: EmbeddingLoss, count: int, budget: Budget = BALL) -> AttackResult:
    return attack(loss, on_lattice(count), budget, Streams(range(count)))


@pytest.mark.parametrize("budget", [BALL, Budget("linf", 0.02), Budget("l2", 0.5)], ids=str)
def test_is_worth_each_of_its_members(budget: Budget) -> None:
    count = 16
    names = [i % 16 for i in range(count)]
    single: list[Attack] = [
        FGSM(),
        PGD(),
        PGD(PGDConfig(step_rule="cosine")),
        PGD(PGDConfig(steps=10, momentum=1.0, random_start=False)),
        APGD(APGDConfig(steps=100)),
        CW(CWConfig(steps=100)),
    ]
    if budget.norm == "linf":
        single.append(Square(SquareConfig(queries=100)))
    losses = [run(attack, Pull(names), count, budget).loss for attack in single]
    lowest = torch.stack(losses).amin(0)
    auto = run(RankAuto(), Pull(names), count, budget)
    assert (auto.loss <= lowest + 0.02 * lowest.abs() + 2e-3).all()
    for bar in (0.05, 0.2, 0.4, 0.6):
        solved = run(RankAuto(), goal(names, bar), count, budget).loss < bar
        assert int(solved.sum()) >= max(int((loss < bar).sum()) for loss in losses)


def test_solved_samples_leave_and_the_rest_go_on() -> None:
    names, count = list(range(8)), 8
    full = run(RankAuto(), Pull(names), count)
    bar = float(full.loss.median()) * 1.5
    found = run(RankAuto(), goal(names, bar), count)
    solved = found.loss < bar
    assert 0 < int(solved.sum()) < count
    assert (found.gradient_evaluations[solved] < 100).any()
    assert (found.gradient_evaluations[~solved] == 100).all()
    # What leaves in the middle does not disturb what stays.
    torch.testing.assert_close(found.loss[~solved], full.loss[~solved], atol=1e-4, rtol=1e-3)


def test_a_solved_result_is_solved_as_an_8_bit_file() -> None:
    names, count = list(range(8)), 8
    found = run(RankAuto(), goal(names, 0.3), count)
    early = found.gradient_evaluations < 100
    assert early.any()
    rounded = round_to_8_bits(found.images)
    torch.testing.assert_close(found.images[early], rounded[early], atol=1e-6, rtol=0)
    assert (Pull(names)(rounded, torch.arange(count))[early] < 0.3).all()


def test_a_loss_that_cannot_tell_is_attacked_to_the_end() -> None:
    found = run(RankAuto(RankAutoConfig(gradients=20)), Pull([0, 1]), 2)
    assert found.gradient_evaluations.tolist() == [20, 20]
    # 16 + 1 of the long descent, 4 + 1 of APGD, 20 squares.
    assert found.queries.tolist() == [42, 42]


def test_other_losses_are_followed_and_judged_by_the_main_one() -> None:
    """The main loss is flat until the other has led the way, as a rank is beside a score."""
    images = pictures(1)
    target = pictures(1, seed=5).flatten(1)

    def far(embedding: Tensor, rows: Tensor) -> Tensor:
        return (embedding - target).square().mean(1)

    bar = 0.95 * float(far(images.flatten(1), torch.arange(1)))

    def flat(embedding: Tensor, rows: Tensor) -> Tensor:
        return torch.where(far(embedding, rows) < bar, 0.0, 1.0) + 0 * embedding.sum(1)

    def embed(pixels: Tensor) -> Tensor:
        return pixels.flatten(1)

    alone = RankAuto()(EmbeddingLoss(embed, flat), images, BALL, Streams([0]))
    led = RankAuto()(EmbeddingLoss(embed, flat, {"far": far}), images, BALL, Streams([0]))
    assert float(alone.loss) == 1.0
    assert float(led.loss) == 0.0
    assert led.gradient_evaluations.tolist() == alone.gradient_evaluations.tolist() == [100]


def test_squares_go_on_where_no_gradient_leads() -> None:
    def stairs(embedding: Tensor, rows: Tensor) -> Tensor:
        mean = embedding.mean(1)
        return (mean * 5000).floor() / 5000 + 0 * mean

    loss = EmbeddingLoss(lambda pixels: pixels.flatten(1), stairs)
    images = torch.full((2, 3, SIZE, SIZE), 0.5)
    found = RankAuto()(loss, images, BALL, Streams([0, 1]))
    descent = PGD(PGDConfig(steps=100))(loss, images, BALL, Streams([0, 1]))
    assert (found.loss < descent.loss - 0.005).all()


@settings(max_examples=15)
@given(st.integers(10, 60), st.integers(0, 15))
def test_gradients_never_exceed_the_budget(gradients: int, others: int) -> None:
    pull = Pull([0, 1])
    loss = EmbeddingLoss(pull.embed, pull.main, {str(i): pull.main for i in range(others)})
    found = run(RankAuto(RankAutoConfig(gradients=gradients)), loss, 2)
    assert found.gradient_evaluations.tolist() == [gradients] * 2


def test_pictures_off_the_lattice_are_solved_too() -> None:
    # At half a level no 8-bit value lies inside the budget of a value in between.
    images = (on_lattice(2) * 255 + 0.5).clamp(0, 254.5) / 255
    loss = goal([0, 1], 3.0)
    found = RankAuto(RankAutoConfig(gradients=10))(loss, images, Budget("linf", 0.4 / 255), Streams([0, 1]))
    assert ((found.images - images).abs() <= 0.4 / 255 + 1e-6).all()
    assert found.gradient_evaluations.tolist() == [10, 10]


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(UserError, match=r"gradients.* must be at least 10, got 0"):
        validate(RankAutoConfig, {"gradients": 0}, "rank_auto")
