"""Random changes of training pictures, drawn for each item alone and applied to the whole batch at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.extractors.config import AugmentationConfig
from elliot_advrec.streams import Streams

_DRAWS = 9


def augment(pixels: Tensor, config: AugmentationConfig, streams: Streams) -> Tensor:
    """Crop, stretch, turn, mirror and recolour each picture.

    One bilinear resampling does all of the geometry. Sample i depends on stream i alone, so neither
    batch-mates nor workers matter.

    Args:
        pixels: (B, 3, H, W) in [0, 1].
        config: how far to go.
        streams: one a sample.

    Returns:
        (B, 3, H, W) in [0, 1], channels-last; `pixels` itself where there is nothing to do.
    """
    if config == AugmentationConfig.none() or not len(pixels):
        return pixels
    u = streams.uniform((_DRAWS,)).to(pixels.device)
    signed = 2 * u - 1
    moved = _resample(pixels, config, u, signed) if _moves(config) else pixels
    return _recolour(moved, config, signed).contiguous(memory_format=torch.channels_last)


def _moves(config: AugmentationConfig) -> bool:
    return max(config.crop, config.stretch, config.rotation, config.flip) > 0


def _resample(pixels: Tensor, config: AugmentationConfig, u: Tensor, signed: Tensor) -> Tensor:
    """The affine part: where each output pixel is read from, in coordinates of [-1, 1]."""
    zoom = 1 - config.crop * u[:, 0]
    stretch = (config.stretch * signed[:, 1]).exp()
    # No side of the window may exceed the picture, whatever the stretch.
    across, down = (zoom * stretch).clamp(max=1), (zoom / stretch).clamp(max=1)
    angle = math.radians(config.rotation) * signed[:, 2]
    mirror = torch.where(u[:, 3] < config.flip, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([across * cos * mirror, -down * sin, (1 - across) * signed[:, 4]], dim=1),
            torch.stack([across * sin * mirror, down * cos, (1 - down) * signed[:, 5]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix.to(pixels.dtype), list(pixels.shape), align_corners=False)
    # "border" repeats the edge: product photographs have plain borders that black corners would spoil.
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _recolour(pixels: Tensor, config: AugmentationConfig, signed: Tensor) -> Tensor:
    """Contrast about the picture's mean, saturation about its grey, brightness; then back into [0, 1]."""
    if max(config.brightness, config.contrast, config.saturation) == 0:
        return pixels.clamp(0, 1)
    shift = (config.brightness * signed[:, 6]).view(-1, 1, 1, 1)
    contrast = (1 + config.contrast * signed[:, 7]).view(-1, 1, 1, 1)
    colour = (1 + config.saturation * signed[:, 8]).view(-1, 1, 1, 1)
    grey = pixels.mean(dim=1, keepdim=True)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    saturated = torch.lerp(grey.expand_as(pixels), pixels, colour)
    return ((saturated - middle) * contrast + (middle + shift)).clamp(0, 1)
