"""What filters that are networks share: first weights, and a gradient that outlives the clamp."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from elliot_advrec.component import Config
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.saved import SavedNetwork
from elliot_advrec.filters.base import Filter, FilterConfig, with_gradient_of
from elliot_advrec.streams import Streams


class LearnedConfig(FilterConfig):
    """Settings of every filter that is a network."""

    weights: str = Field("none", min_length=1)
    """First weights: `none` (random) or the path of a saved filter of the same architecture, to use as it is
    or to fine-tune on other pictures."""


class LearnedFilter(SavedNetwork, Filter):
    """A filter that is a network; authors write ``build``.

    The network is in evaluation mode and its parameters ask for no gradient, but while it is trained.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
        seed: decides the random first weights.

    Raises:
        UserError: `weights` that cannot be read or are those of another network.
    """

    config_class: ClassVar[type[Config]] = LearnedConfig
    config: LearnedConfig
    kind = "filter"
    gradients = ("true", "straight_through", "average")
    inference_only: ClassVar[frozenset[str]] = frozenset()
    """Settings that its training does not look at: filters that differ in them alone are trained once."""

    def __init__(self, config: Any = None, *, seed: int = 0) -> None:
        super().__init__(config)
        # Layers draw from the global generator; forking leaves the caller's randomness alone.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = self.build()
        self.network.eval().requires_grad_(False)
        if self.config.weights != "none":
            self._fill(Path(self.config.weights).expanduser())

    @abstractmethod
    def build(self) -> nn.Module:
        """The network: (B, 3, H, W) pictures in [0, 1] to pictures of the same size, of any range."""

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return self.finish(self.network(pixels).clamp(0, 1), streams)

    def through(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """The gradient passes the clamp: half of a white background lies beyond 1, where it would vanish."""
        raw = self.network(pixels)
        return self.finish(with_gradient_of(raw.detach().clamp(0, 1), raw), streams)

    def finish(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """What happens to clamped pictures at inference; nothing here."""
        return pixels

    def _fill(self, path: Path) -> None:
        checkpoint.fill(self.network, self._read(path)[0], path, type(self).__name__)
