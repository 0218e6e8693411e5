"""Random resizing and padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams

SMALLEST = 212 / 224
"""Smallest side after resizing as a share of the picture's, as Yin et al. 2023 (section 3.3) have it."""


class ResizePadConfig(FilterConfig):
    """Settings of ResizePad."""

    smallest: float = Field(SMALLEST, gt=0, le=1)
    """Smallest side after resizing, as a share of the picture's side; 1 changes nothing."""


class ResizePad(Filter):
    """Random resize and pad: shrunk to a random size, put at a random place on black (Xie et al. 2018).

    Differentiable for a given draw; an adaptive attacker averages draws.
    """

    config_class = ResizePadConfig
    config: ResizePadConfig
    gradients = ("true", "straight_through")

    @property
    def random(self) -> bool:
        return True

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        assert streams is not None
        return resized_and_padded(pixels, streams, self.config.smallest)


def resized_and_padded(pixels: Tensor, streams: Streams, smallest: float) -> Tensor:
    """(B, 3, H, W) shrunk bilinearly to a random n x n share and padded with zeros at a random place.

    The smaller side is drawn evenly among the whole numbers from ``smallest`` times the side to the side; the
    other keeps the proportions, rounded. All pictures are sampled in one call.

    Args:
        pixels: in [0, 1].
        streams: one a picture; each gives three numbers.
        smallest: share in (0, 1].
    """
    height, width = pixels.shape[2:]
    side = min(height, width)
    least = max(1, round(side * smallest))
    size, down, right = streams.uniform((3,)).unbind(1)
    new_side = least + (size * (side - least + 1)).long().clamp_max(side - least)
    tall, wide = (new_side * height / side).round(), (new_side * width / side).round()
    top, left = (down * (height - tall + 1)).floor(), (right * (width - wide + 1)).floor()
    place = pixels.device
    rows, inside_rows = _sources(height, tall.to(place), top.to(place))
    columns, inside_columns = _sources(width, wide.to(place), left.to(place))
    grid = torch.stack(
        [columns.unsqueeze(1).expand(-1, height, -1), rows.unsqueeze(2).expand(-1, -1, width)], dim=3
    )
    # Edges repeated inside the shrunk picture, as resizing alone has it; black is what lies outside of it.
    found = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    inside = inside_rows.unsqueeze(2) & inside_columns.unsqueeze(1)
    return (found * inside.unsqueeze(1)).clamp(0, 1)


def _sources(length: int, new: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """(B, length) places in [-1, 1] that output pixels are read from, and whether they lie in the picture."""
    place = torch.arange(length, device=new.device) - start.unsqueeze(1)
    inside = (place >= 0) & (place < new.unsqueeze(1))
    return (2 * place + 1) / new.unsqueeze(1) - 1, inside
