"""A backbone of two layers under a timm name, and pictures whose colour can be learned in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from elliot_advrec.data.pixel_file import PixelFile

default_cfgs = generate_default_cfgs(
    {"tiny_colours.untrained": {"mean": (0.5,) * 3, "std": (0.25,) * 3, "input_size": (3, 16, 16)}}
)


class Tiny(nn.Module):
    """A convolution with BatchNorm, and the mean over the picture."""

    def __init__(self, num_classes: int = 0, in_chans: int = 3) -> None:
        super().__init__()
        self.num_features = 12
        self.layers = nn.Sequential(
            nn.Conv2d(in_chans, 12, 3, stride=2), nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.layers(pixels).flatten(1)
        return found


@register_model
def tiny_colours(pretrained: bool = False, **options: Any) -> nn.Module:
    model: nn.Module = build_model_with_cfg(Tiny, "tiny_colours", pretrained, **options)
    return model


def pictures(folder: Path, items: int, size: int = 16) -> PixelFile:
    """Dark noise; even items are reddish, odd ones bluish."""
    bytes_ = np.random.default_rng(0).integers(0, 90, size=(items, 3, size, size)).astype(np.uint8)
    bytes_[np.arange(items), np.where(np.arange(items) % 2, 2, 0)] += 150
    path = folder / "pixels.bin"
    path.write_bytes(bytes_.tobytes())
    return PixelFile(path, size, items)
