"""JPEG compression."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams


class JPEGConfig(FilterConfig):
    """Settings of JPEG."""

    quality: int = Field(75, ge=1, le=95)
    """Pillow's scale: lower is smaller and coarser; above 95 the encoder hardly quantises."""
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"
    """How coarsely colour is kept beside brightness."""


class JPEG(Filter):
    """JPEG compression: each picture through Pillow's encoder and back (Dziugaite et al. 2016).

    Pictures are rounded to 8 bits before. It has no gradient: an adaptive attacker uses BPDA.
    """

    config_class = JPEGConfig
    config: JPEGConfig

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        as_bytes = pixels.detach().mul(255).round_().byte().permute(0, 2, 3, 1).cpu().numpy()
        found = np.stack([self._decoded(picture) for picture in as_bytes])
        return torch.from_numpy(found).to(pixels.device).permute(0, 3, 1, 2).float().div(255)

    def _decoded(self, picture: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(picture))
        image.save(stream, "JPEG", quality=self.config.quality, subsampling=self.config.subsampling)
        with Image.open(stream) as decoded:
            return np.asarray(decoded.convert("RGB"))
