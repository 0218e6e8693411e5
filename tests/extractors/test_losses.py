"""Losses against naive loops."""

from __future__ import annotations

import math

import torch

from elliot_advrec.extractors.features import Features
from elliot_advrec.extractors.losses import category_loss, classification_loss, texture_loss


def naive_category(logits: list[float], category: int) -> float:
    return 0.0 if category < 0 else math.log(sum(map(math.exp, logits))) - logits[category]


def naive_texture(logits: list[float], truth: list[bool]) -> float:
    if not any(truth):
        return 0.0
    each = [math.log1p(math.exp(-x if t else x)) for x, t in zip(logits, truth, strict=True)]
    return sum(each) / len(each)


def drawn() -> tuple[Features, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    features = Features(
        torch.zeros(6, 2), torch.randn(6, 4, generator=generator), torch.randn(6, 3, generator=generator)
    )
    category = torch.tensor([0, 3, -1, 2, 1, -1])
    attributes = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).bool()
    return features, category, attributes


def test_losses_equal_naive_loops() -> None:
    features, category, attributes = drawn()
    ce = [naive_category(x.tolist(), int(y)) for x, y in zip(features.category, category, strict=True)]
    bce = [
        naive_texture(x.tolist(), y.tolist()) for x, y in zip(features.attributes, attributes, strict=True)
    ]
    torch.testing.assert_close(category_loss(features.category, category), torch.tensor(ce))
    torch.testing.assert_close(texture_loss(features.attributes, attributes), torch.tensor(bce))
    both = torch.tensor([c + 0.5 * t for c, t in zip(ce, bce, strict=True)])
    torch.testing.assert_close(classification_loss(features, category, attributes, texture_weight=0.5), both)
    assert both[5] == 0


def test_absent_heads_and_labels_add_nothing() -> None:
    features, category, attributes = drawn()
    torch.testing.assert_close(
        classification_loss(features, category, None), category_loss(features.category, category)
    )
    only = Features(features.embedding, None, features.attributes)
    torch.testing.assert_close(
        classification_loss(only, category, attributes), texture_loss(features.attributes, attributes)
    )
    assert torch.equal(classification_loss(features, None, None), torch.zeros(6))


def test_label_smoothing_is_that_of_the_mixture() -> None:
    features, category, _ = drawn()
    known = category >= 0
    log = features.category.log_softmax(1)
    expected = -(0.9 * log[known].gather(1, category[known, None])[:, 0] + 0.1 * log[known].mean(1))
    torch.testing.assert_close(category_loss(features.category, category, 0.1)[known], expected)


def test_gradients() -> None:
    features, category, attributes = drawn()

    def total(c: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return category_loss(c, category) + texture_loss(a, attributes)

    given = [x.double().requires_grad_() for x in (features.category, features.attributes)]
    assert torch.autograd.gradcheck(total, given)
