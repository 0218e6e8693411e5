"""What attackers see who know a filter or a detector: EOT, BPDA, and the joint loss of those who evade."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from filter_contract import make, pictures
from torch import Tensor

from elliot_advrec.attacks.best import AttackResult
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.detectors import Detector, Parts
from elliot_advrec.detectors.contrastive import Contrastive, ContrastiveConfig
from elliot_advrec.detectors.squeezing import Squeezing, SqueezingConfig
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig
from elliot_advrec.guards.knowledge import adaptive, evading
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams

COUNT, SIDE = 4, 20
WEIGHT = torch.randn(3 * SIDE * SIDE, 5, generator=torch.Generator().manual_seed(1)) / SIDE
ROWS = torch.arange(COUNT)
SEEDS = [11, 12, 13, 14]


def embed(pixels: Tensor) -> Tensor:
    return torch.tanh(pixels.flatten(1) @ WEIGHT)


def goal(white_box: bool = True) -> EmbeddingLoss:
    """Every picture's embedding is to move towards (1, 1, 1, 1, 1)."""
    return EmbeddingLoss(
        embed,
        lambda found, rows: (found - 1).square().sum(1),
        others={"first": lambda found, rows: -found[:, 0]},
        solved=lambda found, rows: found.mean(1) > 0.2,
        around=lambda found, rows: lambda other, some: other.sum(1) + rows.float(),
        white_box=white_box,
    )


def middle(count: int = COUNT) -> Tensor:
    return pictures(count) * 0.6 + 0.2


def contrastive() -> Detector:
    found = Contrastive(ContrastiveConfig(encoder="test_efficientnet", projection=8))
    return found.bind(Parts(filter=make("median")))


def squeezing() -> Detector:
    return Squeezing(SqueezingConfig(bits=3)).bind(Parts(embed=embed))


def attacked(loss: EmbeddingLoss, eps: float = 0.05, count: int = COUNT) -> AttackResult:
    attack = PGD(PGDConfig(steps=20, step_rule="scaled"))
    return attack(loss, middle(count), Budget("linf", eps), Streams(range(count)))


def test_nothing_in_front_changes_nothing() -> None:
    loss = goal()
    assert adaptive(loss, None, SEEDS, 20) is loss


def test_an_identity_in_front_gives_the_very_same_attack() -> None:
    given = (middle() * 255).round() / 255
    attack, budget = PGD(PGDConfig(steps=1, random_start=False)), Budget("linf", 4 / 255)
    through = adaptive(goal(), make("bit_depth", bits=8), SEEDS, 20)
    found = attack(through, given, budget, Streams(range(COUNT)))
    bare = attack(goal(), given, budget, Streams(range(COUNT)))
    assert torch.allclose(found.images, bare.images, atol=1e-6)
    assert torch.allclose(found.loss, bare.loss, rtol=1e-5)


@pytest.mark.parametrize("name", ["jpeg", "bit_depth", "median", "feature_squeezing"])
def test_filters_without_a_gradient_give_one_and_the_filters_values(name: str) -> None:
    filter, loss = make(name), goal()
    through = adaptive(loss, filter, SEEDS, 20)
    points = middle().requires_grad_()
    value = through(points, ROWS)
    (gradient,) = torch.autograd.grad(value.sum(), points)
    assert torch.allclose(value.detach(), loss(filter(middle()), ROWS), rtol=1e-5)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    found = attacked(through)
    assert (loss(filter(found.images), ROWS) < loss(filter(middle()), ROWS)).all()


def test_random_draws_are_averaged_anew_for_each_question_and_are_not_the_shops() -> None:
    noise, loss, given = make("gaussian", sigma=0.2), goal(), middle()
    through = adaptive(loss, noise, SEEDS, 6)

    def drawn(asked: int) -> Tensor:
        mean = torch.zeros(COUNT, 5)
        for draw in range(6):
            seeds = [stream_seed(stream_seed(seed, "ask", asked), "draw", draw) for seed in SEEDS]
            mean += embed(noise(given, Streams(seeds))) / 6
        return mean

    for asked in range(2):
        assert torch.allclose(through.embedded(given, ROWS), drawn(asked), atol=1e-5)
    names = Streams([stream_seed(0, "filter", str(row)) for row in range(COUNT)])
    assert not torch.allclose(embed(noise(given, names)), drawn(0), atol=1e-3)


def test_the_gradient_over_draws_is_that_of_the_mean_embedding() -> None:
    shrink, loss = make("resize_pad", smallest=0.6), goal()
    points = middle().requires_grad_()
    (found,) = torch.autograd.grad(adaptive(loss, shrink, SEEDS, 8)(points, ROWS).sum(), points)
    again = middle().requires_grad_()
    each = []
    for draw in range(8):
        streams = Streams([stream_seed(stream_seed(seed, "ask", 0), "draw", draw) for seed in SEEDS])
        each.append(embed(shrink.adaptive(again, streams)))
    value = loss.main(torch.stack(each).mean(0), ROWS)
    (expected,) = torch.autograd.grad(value.sum(), again)
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_attack_through_draws_does_not_depend_on_the_batch() -> None:
    noise = make("gaussian", sigma=0.1)
    attack, budget = PGD(PGDConfig(steps=3)), Budget("linf", 0.05)
    whole = attack(adaptive(goal(), noise, SEEDS, 3), middle(), budget, Streams(range(COUNT)))
    for row in range(COUNT):
        alone = adaptive(goal(), noise, SEEDS[row : row + 1], 3)
        found = attack(alone, middle()[row : row + 1], budget, Streams([row]))
        assert torch.allclose(found.images[0], whole.images[row], atol=1e-6)


def test_who_knows_a_filter_does_better_than_who_does_not() -> None:
    shrink, loss = make("resize_pad", smallest=0.8), goal()
    unaware = attacked(loss, 0.1).images
    aware = attacked(adaptive(loss, shrink, SEEDS, 20), 0.1).images

    def judged(images: Tensor) -> Tensor:
        with torch.no_grad():
            return adaptive(loss, shrink, [91, 92, 93, 94], 300)(images, ROWS)

    assert (judged(aware) < judged(unaware) - 0.1).all()


@pytest.mark.parametrize("detector", [contrastive(), squeezing()], ids=["contrastive", "squeezing"])
def test_who_evades_is_seen_less_and_pays_with_its_goal(detector: Detector) -> None:
    loss = goal()
    detector.threshold = float(detector(middle()).mean())
    blind = attacked(loss).images
    aware = attacked(evading(loss, detector, SEEDS, 10.0)).images
    assert detector(aware).mean() < detector(blind).mean()
    assert (loss(aware, ROWS) >= loss(blind, ROWS) - 1e-4).all()


def test_the_joint_loss_is_the_goal_plus_the_excess_over_a_safe_level() -> None:
    loss, detector, given = goal(), contrastive(), middle()
    detector.threshold = float(detector(given).min())
    joint = evading(loss, detector, SEEDS, 10.0)
    excess = detector(given) / detector.threshold - 0.9
    assert torch.allclose(joint(given, ROWS), loss(given, ROWS) + 10 * excess, atol=1e-4)
    found = joint.embedded(given, ROWS)
    assert found.shape == (COUNT, 6)
    assert torch.allclose(found[:, 5], detector(given), atol=1e-6)
    first = joint.others["first"](found, ROWS)
    assert torch.allclose(first, loss.others["first"](found[:, :5], ROWS) + 10 * excess, atol=1e-4)
    assert joint.around is not None
    assert loss.around is not None
    around = joint.around(found, ROWS)(found, ROWS)
    assert torch.allclose(around, found[:, :5].sum(1) + ROWS + 10 * excess, atol=1e-4)
    detector.threshold = 1e9
    assert torch.equal(evading(loss, detector, SEEDS, 10.0)(given, ROWS), loss(given, ROWS))


def test_a_goal_is_reached_only_where_the_score_is_safe() -> None:
    loss, detector, given = goal(), contrastive(), middle()
    scores = detector(given).sort().values
    detector.threshold = float(scores[1:3].mean()) / 0.9  # two of the four are below the safe level
    joint = evading(loss, detector, SEEDS, 1.0)
    assert joint.solved is not None
    reached = torch.cat([torch.ones(COUNT, 5), detector(given)[:, None]], 1)
    assert joint.solved(reached, ROWS).sum() == 2
    missed = torch.cat([-torch.ones(COUNT, 5), detector(given)[:, None]], 1)
    assert not joint.solved(missed, ROWS).any()
    bare = EmbeddingLoss(embed, loss.main)
    assert evading(bare, detector, SEEDS, 1.0).solved is None
    assert evading(bare, detector, SEEDS, 1.0).around is None


@pytest.mark.parametrize("threshold", [-2.0, 0.0])
def test_the_safe_level_lies_below_thresholds_that_are_not_positive(threshold: float) -> None:
    loss, detector, given = goal(), contrastive(), middle()
    detector.threshold = threshold
    joint = evading(loss, detector, SEEDS, 1.0)
    paid = joint(given, ROWS) - loss(given, ROWS)
    scale = max(abs(threshold), 1e-6)
    assert torch.allclose(paid, (detector(given) - threshold + 0.1 * abs(threshold)) / scale, rtol=1e-3)


def test_a_detector_behind_a_random_filter_is_asked_with_new_draws() -> None:
    filter = make("gaussian", sigma=0.2)
    detector = Contrastive(ContrastiveConfig(encoder="test_efficientnet", projection=8))
    detector.bind(Parts(filter=filter))
    assert detector.random
    detector.threshold = 1e-3
    joint = evading(adaptive(goal(), filter, SEEDS, 2), detector, SEEDS, 1.0)
    first, second = (joint.embedded(middle(), ROWS)[:, -1] for _ in range(2))
    assert not torch.equal(first, second)
    again = evading(adaptive(goal(), filter, SEEDS, 2), detector, SEEDS, 1.0)
    for row in (2, 0):
        alone = again.embedded(middle()[row : row + 1], torch.tensor([row]))[:, -1]
        assert float(alone) == pytest.approx(float(first[row]), rel=1e-4)


def test_a_closed_recommender_stays_closed_behind_a_filter() -> None:
    assert not adaptive(goal(white_box=False), make("jpeg"), SEEDS, 1).white_box


@pytest.mark.parametrize("drawing", [False, True])
def test_embedding_and_score_share_one_pass_through_the_filter(
    drawing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    filter = Reconstruction(
        ReconstructionConfig(width=4, blocks=1, heads=1, skip=True, resize_pad=drawing, smallest=0.8)
    )
    detector = Contrastive(ContrastiveConfig(encoder="test_efficientnet", projection=8))
    detector.bind(Parts(filter=filter))
    detector.threshold = 1e-3
    passes: list[int] = []
    network = filter.network.forward
    monkeypatch.setattr(filter.network, "forward", lambda given: passes.append(1) or network(given))

    def gradient(joint: EmbeddingLoss) -> tuple[Tensor, Tensor]:
        points = middle().requires_grad_(True)
        found = joint(points, ROWS)
        return found.detach(), torch.autograd.grad(found.sum(), points)[0]

    shared = gradient(evading(adaptive(goal(), filter, SEEDS, 3), detector, SEEDS, 2.0))
    assert len(passes) == 1
    plain = adaptive(goal(), filter, SEEDS, 3)
    twice = gradient(
        evading(replace(plain, behind=lambda *given: plain.embedded(*given)), detector, SEEDS, 2.0)
    )
    assert len(passes) == 3
    assert torch.equal(shared[0], twice[0])
    assert torch.allclose(shared[1], twice[1], rtol=1e-4, atol=1e-6 * float(twice[1].abs().max()))
    assert float(shared[1].abs().max()) > 0
