"""The feature-squeezing detector."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from elliot_advrec.detectors.base import Detector, DetectorConfig
from elliot_advrec.filters.base import Filter
from elliot_advrec.filters.bit_depth import BitDepth, BitDepthConfig
from elliot_advrec.filters.jpeg import JPEG, JPEGConfig
from elliot_advrec.filters.median import Median, MedianConfig
from elliot_advrec.streams import Streams


class SqueezingConfig(DetectorConfig):
    """Settings of Squeezing."""

    bits: int | None = Field(default=5, ge=1, le=8)
    """Bits a channel of the first squeezed form; null leaves it out."""
    window: int | None = Field(default=2, ge=2, le=9)
    """Side of the median's window of the second; null leaves it out."""
    quality: int | None = Field(default=None, ge=1, le=95)
    """JPEG quality of a third; none by default."""
    distance: Literal["cosine", "euclidean", "l1"] = "cosine"
    """Of embeddings; the paper takes L1 between class probabilities, which a retrieval pipeline lacks."""

    @model_validator(mode="after")
    def _some(self) -> SqueezingConfig:
        if self.bits is None and self.window is None and self.quality is None:
            raise ValueError("one of bits, window and quality must be given")
        return self


class Squeezing(Detector):
    """Feature squeezing: the largest distance of embeddings between a picture and its squeezed forms.

    Xu, Evans and Qi 2018 (section V): where squeezing moves a picture's embedding far, it was attacked. An
    attacker differentiates the squeezers by BPDA or their true gradients.
    """

    config_class = SqueezingConfig
    config: SqueezingConfig
    needs = ("embed",)

    def measure(self, pixels: Tensor, streams: Streams | None, *, adaptive: bool) -> Tensor:
        assert self.parts.embed is not None
        embed = self.parts.embed
        plain = embed(pixels)
        found = [
            self._distance(plain, embed(squeeze.adaptive(pixels) if adaptive else squeeze(pixels)))
            for squeeze in self.squeezers()
        ]
        return torch.stack(found).amax(0)

    def squeezers(self) -> list[Filter]:
        """The filters that make the squeezed forms."""
        c, found = self.config, list[Filter]()
        if c.bits is not None:
            found.append(BitDepth(BitDepthConfig(bits=c.bits)))
        if c.window is not None:
            found.append(Median(MedianConfig(window=c.window)))
        if c.quality is not None:
            found.append(JPEG(JPEGConfig(quality=c.quality, subsampling="4:2:0")))
        return found

    def _distance(self, one: Tensor, other: Tensor) -> Tensor:
        if self.config.distance == "cosine":
            return 1 - F.cosine_similarity(one, other)
        if self.config.distance == "l1":
            return (one - other).abs().sum(1)
        # A floor under the root: its gradient at 0 would be infinite.
        return (one - other).square().sum(1).clamp_min(1e-20).sqrt()
