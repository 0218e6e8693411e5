"""A U-Net that predicts the perturbation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from elliot_advrec.filters.learned import LearnedConfig, LearnedFilter


class UNetConfig(LearnedConfig):
    """Settings of UNet."""

    width: int = Field(32, ge=4)
    """Channels at full resolution; doubled at every level below."""
    levels: int = Field(4, ge=1, le=6)
    """How often the resolution is halved."""


class UNet(LearnedFilter):
    """U-Net denoiser: predicts the perturbation and takes it away (Liao et al. 2018; Merra et al. 2023).

    Convolutions at falling resolutions with skips between equal ones (Ronneberger et al. 2015), as in Liao's
    DUNET. The last layer starts at 0, so an untrained one gives the picture back. Any size works; edges are
    repeated up to the next multiple of 2^levels.
    """

    config_class = UNetConfig
    config: UNetConfig

    def build(self) -> nn.Module:
        return UNetNetwork(self.config.width, self.config.levels)


class UNetNetwork(nn.Module):
    """The network of ``UNet``.

    Args:
        width: channels at full resolution.
        levels: halvings.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        self.down = nn.ModuleList(
            _double(before, after) for before, after in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _double(widths[level] + widths[level + 1], widths[level]) for level in range(levels)
        )
        self.last = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 3, H, W) of any range."""
        height, width = pixels.shape[2:]
        multiple = 2 ** len(self.up)
        found = F.pad(pixels, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        kept = []
        for level, block in enumerate(self.down):
            found = block(F.max_pool2d(found, 2) if level else found)
            kept.append(found)
        kept.pop()
        for level in reversed(range(len(self.up))):
            larger = F.interpolate(found, scale_factor=2.0, mode="bilinear", align_corners=False)
            found = self.up[level](torch.cat([kept[level], larger], dim=1))
        noise: Tensor = self.last(found)
        return pixels - noise[..., :height, :width]


def _double(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for first in (before, after):
        layers += [nn.Conv2d(first, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
