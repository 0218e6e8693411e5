"""The attacks that show another item's picture."""

from __future__ import annotations

import pytest
import torch
from attack_contract import pictures
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget, EmbeddingLoss
from elliot_advrec.attacks.imitation import Blend, BlendConfig, Paste, PasteConfig, Replace
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
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
@pytest.mark.parametrize(("attack", "name"), [(Replace(), "replace"), (Paste(), "paste")])
def test_a_budget_that_cannot_be_held_is_refused(attack: Attack, name: str, budget: Budget) -> None:
    with pytest.raises(ValueError, match=rf"give {name} an unbounded one, eps: 1\.0 in norm linf"):
        attack(LOSS, pictures(3), budget, Streams(range(3)))


def shrunk(side: int, to: int) -> Tensor:
    """(to, side) weights that make a line smaller: a triangle as wide as two of the new pixels each."""
    step = side / to
    centres = (torch.arange(to) + 0.5) * step
    weights = (1 - (torch.arange(side) + 0.5 - centres[:, None]).abs() / step).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("position", "top", "left"),
    [
        ("bottom_right", 8, 8),
        ("bottom_left", 8, 0),
        ("top_right", 0, 8),
        ("top_left", 0, 0),
        ("centre", 4, 4),
    ],
)
def test_an_inset_lies_in_its_corner_and_all_else_stays(position: str, top: int, left: int) -> None:
    images = pictures(3)
    attack = Paste(validate(PasteConfig, {"scale": 1 / 3, "position": position}, "recipe"))
    found = attack(LOSS, images, UNBOUNDED, Streams(range(3)))
    expected = images.clone()
    small = shrunk(12, 4)
    expected[:, :, top : top + 4, left : left + 4] = small @ POPULAR @ small.T
    torch.testing.assert_close(found.images, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, LOSS(expected, torch.arange(3)), atol=1e-3, rtol=0)
    assert found.images.is_contiguous(memory_format=torch.channels_last)
    assert found.queries.tolist() == found.image_updates.tolist() == [1, 1, 1]
    assert found.gradient_evaluations.tolist() == [0, 0, 0]


def test_an_inset_of_the_whole_side_is_the_popular_picture_and_no_batch_decides() -> None:
    images = pictures(3)
    whole = Paste(PasteConfig(scale=1.0))(LOSS, images, UNBOUNDED, Streams(range(3)))
    torch.testing.assert_close(whole.images, POPULAR, atol=1e-6, rtol=0)
    dot = Paste(PasteConfig(scale=0.01))(LOSS, images, UNBOUNDED, Streams(range(3)))
    assert ((dot.images - images).abs().sum(1) > 0).flatten(1).sum(1).tolist() == [1, 1, 1]
    together = Paste()(LOSS, images, UNBOUNDED, Streams(range(3)))
    alone = Paste()(LOSS, images[:1], UNBOUNDED, Streams([0]))
    torch.testing.assert_close(alone.images, together.images[:1], atol=1e-6, rtol=0)
    assert Paste()(LOSS, images[:0], UNBOUNDED, Streams([])).images.shape == (0, 3, 12, 12)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": 0}, "'scale' must be above 0"),
        ({"scale": 1.5}, "'scale' must be at most 1"),
        ({"position": "bottom_rigth"}, "did you mean 'bottom_right'"),
    ],
)
def test_an_inset_that_does_not_fit_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        validate(PasteConfig, settings, "recipe")


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


@pytest.mark.parametrize("attack", [Replace(), Blend(), Paste()], ids=["replace", "blend", "paste"])
def test_without_a_picture_to_imitate_it_is_refused(attack: Attack) -> None:
    for loss in (EmbeddingLoss(LOSS.embed, LOSS.main), lambda p, r: p.flatten(1).sum(1)):
        with pytest.raises(ValueError, match="imitates another item's picture, and the threat names none"):
            attack(loss, pictures(1), UNBOUNDED, Streams([0]))
    wrong = EmbeddingLoss(LOSS.embed, LOSS.main, reference=lambda rows: torch.zeros(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"must be \(1, 3, 12, 12\), got \(1, 3, 5, 5\)"):
        attack(wrong, pictures(1), UNBOUNDED, Streams([0]))


@pytest.mark.parametrize("attack", [Blend(), Paste()], ids=["blend", "paste"])
def test_eps_zero_is_the_clean_image(attack: Attack) -> None:
    images = pictures(2)
    found = attack(LOSS, images, Budget("linf", 0.0), Streams([0, 1]))
    assert torch.equal(found.images, images)
