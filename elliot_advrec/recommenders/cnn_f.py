"""CNN-F, the small convolutional network that DVBPR was published with, as a timm model."""

from __future__ import annotations

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

# Pixels go to [-1, 1], as in DVBPR's own code and in Elliot.
CFG = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "input_size": (3, 224, 224), "num_classes": 0}
default_cfgs = generate_default_cfgs({"cnn_f.untrained": CFG})
"""Where timm looks for a model's description."""


class CNNF(nn.Module):
    """Chatfield et al. 2014, table 1, without the last layer; as Elliot builds it, without normalisation.

    Args:
        num_classes: 0; the layer to the factors is the extractor's.
        img_size: side of the pictures in pixels; decides the width of the first full layer.
        in_chans: of the pictures.
        drop_rate: dropout after the full layers.
    """

    def __init__(
        self, num_classes: int = 0, img_size: int = 224, in_chans: int = 3, drop_rate: float = 0.5
    ) -> None:
        super().__init__()
        assert num_classes == 0
        self.num_features = 4096

        def pool() -> nn.Module:
            return nn.MaxPool2d(2, ceil_mode=True)

        self.convolutions = nn.Sequential(
            nn.Conv2d(in_chans, 64, 11, stride=4, padding=4), nn.ReLU(), pool(),
            nn.Conv2d(64, 256, 5, padding=2), nn.ReLU(), pool(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), pool(),
            nn.Flatten(),
        )  # fmt: skip
        with torch.no_grad():
            flat = self.convolutions(torch.zeros(1, in_chans, img_size, img_size)).shape[1]
        self.full = nn.Sequential(
            nn.Linear(flat, 4096), nn.ReLU(), nn.Dropout(drop_rate),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(drop_rate),
        )  # fmt: skip

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 4096)."""
        found: Tensor = self.full(self.convolutions(pixels))
        return found


@register_model
def cnn_f(pretrained: bool = False, **options: Any) -> nn.Module:
    """CNN-F, random weights only."""
    model: nn.Module = build_model_with_cfg(CNNF, "cnn_f", pretrained, **options)
    return model
