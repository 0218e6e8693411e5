"""What an extractor says about a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Embedding and logits of B pictures."""

    embedding: Tensor
    """(B, D), not normalised to unit length."""
    category: Tensor | None
    """(B, C) logits; None without a category head."""
    attributes: Tensor | None
    """(B, A) logits, one sigmoid each; None without a texture head."""
