"""Gaussian noise, the filter that centre smoothing certifies."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.streams import Streams


class GaussianConfig(FilterConfig):
    """Settings of Gaussian."""

    sigma: float = Field(default=0.1, gt=0)
    """Standard deviation of the noise, in pixels of [0, 1]."""


class Gaussian(Filter):
    """Gaussian noise on every pixel, clipped to [0, 1]; ``center_smoothing`` certifies embeddings under it.

    One call is one draw. The clipping belongs to the function that is smoothed, so the certificate holds.
    """

    config_class = GaussianConfig
    config: GaussianConfig
    gradients = ("true", "straight_through")

    @property
    def random(self) -> bool:
        return True

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        assert streams is not None
        noise = streams.normal(pixels.shape[1:]).to(pixels.device)
        return (pixels + self.config.sigma * noise).clamp(0, 1)
