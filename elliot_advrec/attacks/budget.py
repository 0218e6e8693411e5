"""How far an attack may move an image: a norm and a radius in pixel units of [0,1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]

# What float32 arithmetic may add to a distance; every bound is asserted with this slack.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Budget:
    """The ball around the clean image that an attack stays in; the *total* budget, not a step's.

    Args:
        norm: ``linf``, the largest change of any channel of any pixel, or ``l2``, the Euclidean length of
            the whole change.
        eps: radius, finite and >= 0, in units of pixels in [0,1] (before any normalisation).

    Raises:
        ValueError: another norm, or a radius that is negative or not finite.
    """

    norm: Norm
    eps: float

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise ValueError(f"norm must be 'linf' or 'l2', got {self.norm!r}")
        if not (math.isfinite(self.eps) and self.eps >= 0):
            raise ValueError(f"eps must be finite and at least 0, got {self.eps!r}")

    def length(self, delta: Tensor) -> Tensor:
        """(B,) length of each perturbation (B,...) in this norm."""
        if not delta.numel():
            return delta.new_zeros(len(delta))
        # Over named dimensions, not flattened: flattening copies what is channels-last.
        every = tuple(range(1, delta.dim()))
        return delta.abs().amax(every) if self.norm == "linf" else torch.linalg.vector_norm(delta, dim=every)

    def project(self, delta: Tensor) -> Tensor:
        """The nearest perturbation (B,...) inside the ball, in the Euclidean sense; a new tensor."""
        if self.norm == "linf":
            return delta.clamp(-self.eps, self.eps)
        return delta * per_sample(self._shrinkage(delta), delta)

    def contains(self, delta: Tensor) -> Tensor:
        """(B,) bool: whether each perturbation is inside, up to ``TOLERANCE``."""
        return self.length(delta) <= self.eps + TOLERANCE

    def _shrinkage(self, delta: Tensor) -> Tensor:
        """(B,) factors in [0,1] that bring each perturbation onto the L2 ball."""
        return (self.eps / self.length(delta).clamp_min(1e-30)).clamp_max(1.0)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """``values`` (B,) shaped (B,1,1,...) so that they broadcast over ``like`` (B,...)."""
    return values.view(-1, *[1] * (like.dim() - 1))
