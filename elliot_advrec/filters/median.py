"""Median smoothing."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams


class MedianConfig(FilterConfig):
    """Settings of Median."""

    window: int = Field(3, ge=2, le=9)
    """Side of the square window in pixels."""


class Median(Filter):
    """Median smoothing: every value becomes the median of its window (Xu, Evans and Qi 2018, section IV-B).

    The true gradient goes to the one pixel of each window that is its median; ``average`` spreads it.
    """

    config_class = MedianConfig
    config: MedianConfig
    gradients = ("true", "straight_through", "average")

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return smoothed(pixels, self.config.window)


def smoothed(pixels: Tensor, window: int) -> Tensor:
    """(B, 3, H, W) medians of windows, edges repeated; of an even number of values the lower middle one.

    An even window reaches one pixel further to the right and below.
    """
    before, after = (window - 1) // 2, window // 2
    padded = F.pad(pixels, (before, after, before, after), mode="replicate")
    windows = padded.unfold(2, window, 1).unfold(3, window, 1).flatten(4)
    return windows.median(dim=4).values
