"""Feature squeezing as one filter."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig, with_gradient_of
from elliot_advrec.filters.bit_depth import reduced
from elliot_advrec.filters.median import smoothed
from elliot_advrec.streams import Streams


class FeatureSqueezingConfig(FilterConfig):
    """Settings of FeatureSqueezing."""

    bits: int = Field(5, ge=1, le=8)
    """Bits a channel after the first step."""
    window: int = Field(2, ge=2, le=9)
    """Side of the median's window in pixels."""


class FeatureSqueezing(Filter):
    """Feature squeezing: fewer bits a channel, then median smoothing (Xu, Evans and Qi 2018).

    An adaptive attacker passes the first step straight through and takes the median's own gradient at its
    result.
    """

    config_class = FeatureSqueezingConfig
    config: FeatureSqueezingConfig
    gradients = ("true", "straight_through", "average")

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return smoothed(reduced(pixels, self.config.bits), self.config.window)

    def through(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        coarse = with_gradient_of(reduced(pixels.detach(), self.config.bits), pixels)
        return smoothed(coarse, self.config.window)
