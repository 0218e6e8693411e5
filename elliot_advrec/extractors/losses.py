"""Classification losses of the two heads, one value a sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.extractors.features import Features


def category_loss(logits: Tensor, category: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the category head.

    Args:
        logits: (B, C).
        category: (B,) int64, -1 where unlabelled.
        label_smoothing: probability spread over all categories.

    Returns:
        (B,) in nats; 0 where unlabelled.
    """
    return F.cross_entropy(
        logits, category, ignore_index=-1, reduction="none", label_smoothing=label_smoothing
    )


def texture_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Multi-label binary cross-entropy of the texture head, mean over the attributes.

    Args:
        logits: (B, A).
        attributes: (B, A), 1 where the attribute holds; a row of zeros counts as unlabelled.

    Returns:
        (B,) in nats; 0 where unlabelled.
    """
    truth = attributes.to(logits.dtype)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)
    return each * truth.any(dim=1)


def classification_loss(
    features: Features,
    category: Tensor | None,
    attributes: Tensor | None,
    *,
    texture_weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Sum of both heads' losses: what training minimises and its adversary maximises.

    Args:
        features: of B pictures; a head that is absent adds nothing.
        category: (B,) int64, -1 where unlabelled; or None.
        attributes: (B, A) bool or float, a row of zeros where unlabelled; or None.
        texture_weight: weight of the texture loss.
        label_smoothing: of the category loss.

    Returns:
        (B,) in nats, float32.
    """
    total = torch.zeros(len(features.embedding), device=features.embedding.device)
    if features.category is not None and category is not None:
        total = total + category_loss(features.category.float(), category, label_smoothing)
    if features.attributes is not None and attributes is not None:
        total = total + texture_weight * texture_loss(features.attributes.float(), attributes)
    return total
