"""What every filter shares: the final call that checks, and the gradient that an adaptive attacker uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.component import Component, Config
from elliot_advrec.streams import Streams

Gradient = Literal["true", "straight_through", "average"]
"""How an adaptive attacker differentiates a filter: its ``true`` gradient; or BPDA (Athalye, Carlini and
Wagner 2018, section 4.1), where the value is the filter's and the gradient that of a stand-in: the identity
(``straight_through``), or a 3 x 3 mean (``average``), for filters that smooth."""


class FilterConfig(Config):
    """Settings of every filter."""


class Filter(Component, ABC):
    """Pictures to pictures of the same size; authors write ``apply``.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    config_class: ClassVar[type[Config]] = FilterConfig
    gradients: ClassVar[tuple[Gradient, ...]] = ("straight_through", "average")
    """Ways to differentiate it, the one that an adaptive attacker takes by default first."""

    @property
    def differentiable(self) -> bool:
        """Whether ``apply`` carries a gradient that says something."""
        return "true" in self.gradients

    @property
    def random(self) -> bool:
        """Whether it draws; it then needs one stream a picture, and an adaptive attacker averages draws."""
        return False

    def steady(self) -> Filter:
        """The filter without a random last step that only serves inference; itself where there is none."""
        return self

    def divided(self) -> tuple[Filter, Filter] | None:
        """What does not draw, and what draws after it; None where they cannot be told apart.

        The expectation over draws then runs the first once.
        """
        return None

    @abstractmethod
    def apply(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """The filtered pictures.

        Args:
            pixels: (B, 3, H, W) float32 in [0, 1], B at least 1; not to be changed.
            streams: one random stream a picture; None where the filter is not ``random``.

        Returns:
            (B, 3, H, W) float32 in [0, 1].
        """

    def through(self, pixels: Tensor, streams: Streams | None) -> Tensor:
        """``apply`` as an attacker with the true gradient runs it: the same values, its best gradient."""
        return self.apply(pixels, streams)

    @final
    def __call__(self, pixels: Tensor, streams: Streams | None = None) -> Tensor:
        """(B, 3, H, W) pictures in [0, 1] to filtered ones.

        Args:
            pixels: float32 in [0, 1].
            streams: one random stream a picture, the only source of randomness; needed where ``random``.

        Raises:
            ValueError: pictures of another type, shape or range, or another number of streams.
            RuntimeError: the filter left the size or [0, 1]: a fault of its author.
        """
        return self._checked(pixels, streams, self.apply)

    @final
    def adaptive(
        self, pixels: Tensor, streams: Streams | None = None, gradient: Gradient | None = None
    ) -> Tensor:
        """What ``__call__`` gives, with the gradient that an attacker who knows the filter uses.

        Args:
            pixels: float32 in [0, 1].
            streams: one random stream a picture.
            gradient: one of ``gradients``; the first of them if absent.

        Raises:
            ValueError: as ``__call__``; or a gradient that the filter does not have.
        """
        kind = gradient or self.gradients[0]
        if kind not in self.gradients:
            known = ", ".join(self.gradients)
            raise ValueError(f"{type(self).__name__} has no gradient {kind!r}, only {known}")
        if kind == "true":
            return self._checked(pixels, streams, self.through)
        with torch.no_grad():
            value = self._checked(pixels, streams, self.apply)
        return with_gradient_of(value, mean3(pixels) if kind == "average" else pixels)

    def _checked(self, pixels: Tensor, streams: Streams | None, run: Any) -> Tensor:
        if pixels.dtype != torch.float32 or pixels.dim() != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pictures must be float32 (B,3,H,W), got {pixels.dtype} {tuple(pixels.shape)}")
        if self.random and (streams is None or len(streams) != len(pixels)):
            got = "none" if streams is None else len(streams)
            raise ValueError(f"{type(self).__name__} is random: it needs {len(pixels)} streams, got {got}")
        if not len(pixels):
            return pixels
        found: Tensor = run(pixels, streams if self.random else None)
        if found.shape != pixels.shape:
            raise RuntimeError(
                f"{type(self).__name__} made {tuple(found.shape)} of {tuple(pixels.shape)} pictures"
            )
        low, high = (float(bound) for bound in torch.aminmax(found.detach()))
        if not (low >= 0.0 and high <= 1.0):  # NaN fails both
            # Whose fault it is costs a look at the input, which is spared as long as all is well.
            first, last = (float(bound) for bound in torch.aminmax(pixels.detach()))
            if not (first >= 0.0 and last <= 1.0):
                raise ValueError(f"pictures must be finite and in [0,1], got values from {first} to {last}")
            raise RuntimeError(f"{type(self).__name__} left [0,1]: values from {low} to {high}")
        return found


class _GradientOf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, stand_in: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def with_gradient_of(value: Tensor, stand_in: Tensor) -> Tensor:
    """``value``, bit for bit, whose gradient goes where that of ``stand_in`` (same shape) would go."""
    found: Tensor = _GradientOf.apply(value, stand_in)
    return found


def mean3(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) means of 3 x 3 windows, edges repeated."""
    return F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
