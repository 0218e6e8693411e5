"""The baselines that show another item's picture."""

from __future__ import annotations

import pytest
import torch
from attack_contract import pictures
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget, EmbeddingLoss
from elliot_advrec.attacks.imitation import Blend, BlendConfig, Replace
from elliot_advrec.streams import Streams

UNBOUNDED = Budget("linf", 1.0)
POPULAR = pictures(3, seed=7)


def brightness(embedding: Tensor, rows: Tensor) -> Tensor:
    return -embedding.sum(1)


LOSS = EmbeddingLoss(
    lambda pixels: pixels.flatten(1), brightness, white_box=False, reference=lambda rows: POPULAR[rows]
)


def test_the_picture_is_the_popular_one_whether_or_not_it_helps() -> None:
    images = pictures(3)
    found = Replace()(LOSS, images, UNBOUNDED, Streams(range(3)))
    # The way there and back through the difference costs a last digit at most.
    torch.testing.assert_close(found.images, POPULAR, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.loss, -POPULAR.flatten(1).sum(1))
    assert (found.loss > LOSS(images, torch.arange(3))).any()
    assert found.queries.tolist() == found.image_updates.tolist() == [1, 1, 1]
    assert found.gradient_evaluations.tolist() == [0, 0, 0]


@pytest.mark.parametrize("budget", [Budget("linf", 0.5), Budget("l2", 100.0)], ids=["small", "l2"])
def test_a_budget_that_replacing_cannot_hold_is_refused(budget: Budget) -> None:
    with pytest.raises(ValueError, match=r"an unbounded one, eps: 1\.0 in norm linf"):
        Replace()(LOSS, pictures(3), budget, Streams(range(3)))


def test_blending_adds_a_share_and_clips() -> None:
    images = pictures(3)
    found = Blend(BlendConfig(amount=0.1))(LOSS, images, UNBOUNDED, Streams(range(3)))
    torch.testing.assert_close(found.images, (images + 0.1 * POPULAR).clamp(0, 1), atol=1e-6, rtol=0)
    held = Blend(BlendConfig(amount=0.1))(LOSS, images, Budget("linf", 0.02), Streams(range(3)))
    torch.testing.assert_close(
        held.images, (images + (0.1 * POPULAR).clamp(max=0.02)).clamp(0, 1), atol=1e-6, rtol=0
    )
    squared = Blend()(LOSS, images, Budget("l2", 0.5), Streams(range(3)))
    assert float((squared.images - images).flatten(1).norm(dim=1).max()) <= 0.5 + 1e-6


@pytest.mark.parametrize("attack", [Replace(), Blend()], ids=["replace", "blend"])
def test_without_a_picture_to_imitate_it_is_refused(attack: Attack) -> None:
    for loss in (EmbeddingLoss(LOSS.embed, LOSS.main), lambda p, r: p.flatten(1).sum(1)):
        with pytest.raises(ValueError, match="imitates another item's picture, and the threat names none"):
            attack(loss, pictures(1), UNBOUNDED, Streams([0]))
    wrong = EmbeddingLoss(LOSS.embed, LOSS.main, reference=lambda rows: torch.zeros(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"must be \(1, 3, 12, 12\), got \(1, 3, 5, 5\)"):
        attack(wrong, pictures(1), UNBOUNDED, Streams([0]))


def test_eps_zero_is_the_clean_image() -> None:
    images = pictures(2)
    found = Blend()(LOSS, images, Budget("linf", 0.0), Streams([0, 1]))
    assert torch.equal(found.images, images)
