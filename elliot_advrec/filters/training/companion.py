"""What the training of a filter asks of a detector that learns beside it."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn


class Companion(Protocol):
    """What the training asks of a detector; ``detectors.contrastive.Contrastive`` is one."""

    @property
    def network(self) -> nn.Module:
        """What learns."""
        ...

    def loss(self, clean: Tensor, clean_found: Tensor, attacked: Tensor, attacked_found: Tensor) -> Tensor:
        """(B,) loss of pictures (B, 3, H, W) and their reconstructions."""
        ...

    def describe(self) -> dict[str, Any]:
        """What decides its training beside its first weights, JSON-able."""
        ...
