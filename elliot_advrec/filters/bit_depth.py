"""Fewer bits a channel."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams


class BitDepthConfig(FilterConfig):
    """Settings of BitDepth."""

    bits: int = Field(4, ge=1, le=8)
    """Bits a channel; 2^bits evenly spaced values from 0 to 1 remain."""


class BitDepth(Filter):
    """Bit-depth reduction: every channel rounded to 2^bits values (Xu, Evans and Qi 2018, section IV-A).

    Its gradient is 0 almost everywhere: an adaptive attacker uses BPDA.
    """

    config_class = BitDepthConfig
    config: BitDepthConfig

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return reduced(pixels, self.config.bits)


def reduced(pixels: Tensor, bits: int) -> Tensor:
    """(B, 3, H, W) in [0, 1] rounded to the nearest of 2^bits values."""
    steps = 2**bits - 1
    return pixels.mul(steps).round().div(steps)
