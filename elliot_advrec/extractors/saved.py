"""What components share that are networks: one safe file with weights and settings, and a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from typing_extensions import Self

from elliot_advrec import __version__
from elliot_advrec.component import Config, validate
from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint


class SavedNetwork:
    """A mixin of components with a ``network``: ``save``, ``load`` and ``to``.

    A component of another distribution that inherits it is kept in a guard with its weights.
    """

    kind: ClassVar[Literal["filter", "detector"]]
    """What the file is called in its format and in messages."""
    weights_setting: ClassVar[str] = "weights"
    """The setting that names first weights; a saved file needs none."""
    config_class: ClassVar[type[Config]]
    config: Any
    network: nn.Module

    def to(self, device: str | torch.device) -> Self:
        """Itself, with its network on ``device``."""
        self.network.to(device)
        return self

    def header(self) -> dict[str, Any]:
        """What ``load`` needs beside settings and weights, as JSON."""
        return {}

    @classmethod
    def from_header(cls, config: Any, header: dict[str, Any]) -> Self:
        """One with first weights, from settings and a file's header."""
        return cls(config)  # type: ignore[call-arg]  # the component's constructor

    def save(self, path: Path) -> None:
        """Write weights and description as one safetensors file with a JSON header.

        Raises:
            UserError: the file cannot be written.
        """
        header = {
            "format": _format(self.kind),
            "type": type(self).__name__,
            "config": self.config.model_dump(mode="json"),
            **self.header(),
            "versions": {"elliot_advrec": __version__, "torch": torch.__version__},
        }
        checkpoint.write(path, self.network.state_dict(), header)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What ``save`` wrote, on the CPU.

        Raises:
            UserError: no such file, not one of this kind, or one that this version cannot build.
        """
        tensors, header = cls._read(path)
        found = cls.from_header(
            validate(cls.config_class, {**header["config"], cls.weights_setting: "none"}, str(path)), header
        )
        checkpoint.fill(found.network, tensors, path, cls.__name__)
        return found

    @classmethod
    def _read(cls, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, header = checkpoint.read(path)
        if header.get("format") != _format(cls.kind) or not isinstance(header.get("config"), dict):
            raise UserError(
                f"is not a saved {cls.kind}", where=str(path), remedy="name a file that `save` wrote"
            )
        if header.get("type") != cls.__name__:
            raise UserError(
                f"holds a {header.get('type')}, not a {cls.__name__}",
                where=str(path),
                remedy=f"name a file of this {cls.kind}",
            )
        return tensors, header


def _format(kind: str) -> str:
    return f"elliot_advrec {kind} 1"
