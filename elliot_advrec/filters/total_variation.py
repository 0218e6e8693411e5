"""Total-variation denoising."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams

STEP = 0.125
"""Length of a dual step; Chambolle 2004 proves convergence up to 1/8."""


class TotalVariationConfig(FilterConfig):
    """Settings of TotalVariation."""

    weight: float = Field(0.05, gt=0)
    """How much smoothness counts against likeness, lambda; 0.05 flattens noise of about 8/255."""
    steps: int = Field(30, ge=1)
    """Steps of the solver, which attackers differentiate through."""


class TotalVariation(Filter):
    """Total-variation denoising: the nearest picture of little variation (Rudin, Osher and Fatemi 1992).

    Minimises ||u - x||^2 / 2 + weight * sum |grad u| for each channel by Chambolle's (2004) dual projection,
    unrolled, so that its gradient is the true one. Guo et al. 2018 use it against adversarial pictures.
    """

    config_class = TotalVariationConfig
    config: TotalVariationConfig
    gradients = ("true", "straight_through", "average")

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return denoised(pixels, self.config.weight, self.config.steps).clamp(0, 1)


def denoised(pixels: Tensor, weight: float, steps: int) -> Tensor:
    """(B, C, H, W) after ``steps`` of the dual projection from p = 0: u = x - weight * div p."""
    dual = torch.zeros(2, *pixels.shape, dtype=pixels.dtype, device=pixels.device)
    for _ in range(steps):
        slope = gradient(divergence(dual) - pixels / weight)
        # A floor under the root: its gradient at 0 would be infinite.
        length = slope.square().sum(0, keepdim=True).clamp_min(1e-12).sqrt()
        dual = (dual + STEP * slope) / (1 + STEP * length)
    return pixels - weight * divergence(dual)


def gradient(picture: Tensor) -> Tensor:
    """(2, B, C, H, W) forward differences down and to the right, 0 at the far edge."""
    down = F.pad(picture[..., 1:, :] - picture[..., :-1, :], (0, 0, 0, 1))
    right = F.pad(picture[..., 1:] - picture[..., :-1], (0, 1))
    return torch.stack([down, right])


def divergence(dual: Tensor) -> Tensor:
    """(B, C, H, W): minus the adjoint of ``gradient``."""
    down, right = dual
    down = F.pad(down[..., :-1, :], (0, 0, 1, 1))
    right = F.pad(right[..., :-1], (1, 1))
    return down[..., 1:, :] - down[..., :-1, :] + right[..., 1:] - right[..., :-1]
