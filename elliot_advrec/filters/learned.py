"""What filters that are networks share: first weights, a safe file, a gradient that outlives the clamp."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from elliot_advrec import __version__
from elliot_advrec.component import Config, validate
from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint
from elliot_advrec.filters.base import Filter, FilterConfig, with_gradient_of
from elliot_advrec.streams import Streams

FORMAT = "elliot_advrec filter 1"


class LearnedConfig(FilterConfig):
    """Settings of every filter that is a network."""

    weights: str = Field("none", min_length=1)
    """First weights: `none` (random) or the path of a saved filter of the same architecture, to use as it is
    or to fine-tune on other pictures."""


class LearnedFilter(Filter):
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
    gradients = ("true", "straight_through", "average")
    network: nn.Module

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

    def to(self, device: str | torch.device) -> Self:
        """Itself, with its network on ``device``."""
        self.network.to(device)
        return self

    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        return self.finish(self.network(pixels).clamp(0, 1), streams)

    def through(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """The gradient passes the clamp: half of a white background lies beyond 1, where it would vanish."""
        raw = self.network(pixels)
        return self.finish(with_gradient_of(raw.detach().clamp(0, 1), raw), streams)

    def finish(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """What happens to clamped pictures at inference; nothing here."""
        return pixels

    def save(self, path: Path) -> None:
        """Write weights and description as one safetensors file with a JSON header.

        Raises:
            UserError: the file cannot be written.
        """
        header = {
            "format": FORMAT,
            "type": type(self).__name__,
            "config": self.config.model_dump(mode="json"),
            "versions": {"elliot_advrec": __version__, "torch": torch.__version__},
        }
        checkpoint.write(path, self.network.state_dict(), header)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The filter that ``save`` wrote, on the CPU.

        Raises:
            UserError: no such file, not a filter of this kind, or one that this version cannot build.
        """
        header = _header(path, cls.__name__)[1]
        config = validate(cls.config_class, {**header["config"], "weights": "none"}, str(path))
        found = cls(config)
        found._fill(path)
        return found

    def _fill(self, path: Path) -> None:
        tensors, _ = _header(path, type(self).__name__)
        checkpoint.fill(self.network, tensors, path, type(self).__name__)


def _header(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, header = checkpoint.read(path)
    if header.get("format") != FORMAT or not isinstance(header.get("config"), dict):
        raise UserError("is not a saved filter", where=str(path), remedy="name a file that `save` wrote")
    if header.get("type") != kind:
        raise UserError(
            f"holds a {header.get('type')}, not a {kind}",
            where=str(path),
            remedy="name a file of this filter",
        )
    return tensors, header
