"""What every detector shares: the final call, the threshold, and the gradient of those who evade it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import Self

from elliot_advrec.component import Component, Config
from elliot_advrec.errors import UserError
from elliot_advrec.filters.base import Filter
from elliot_advrec.streams import Streams


class DetectorConfig(Config):
    """Settings of every detector."""

    threshold: float | None = None
    """Higher scores are flagged; when absent, it is calibrated on clean validation pictures."""
    fpr: float = Field(default=0.01, gt=0, lt=1)
    """Largest share of the validation pictures that a calibrated threshold flags."""


@dataclass(frozen=True)
class Parts:
    """What a detector may look at beside the picture; each asks for what it ``needs``."""

    filter: Filter | None = None
    """The filter whose result a picture is compared with."""
    embed: Callable[[Tensor], Tensor] | None = None
    """(B, 3, H, W) in [0, 1] -> (B, D), the extractor's embedding, differentiable."""


class Detector(Component, ABC):
    """Pictures to scores, higher for more suspicious ones; authors write ``measure``.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    config_class: ClassVar[type[Config]] = DetectorConfig
    config: Any
    inference_only: ClassVar[frozenset[str]] = frozenset({"threshold", "fpr"})
    """Settings that its training does not look at."""
    needs: ClassVar[tuple[Literal["filter", "embed"], ...]] = ()
    """Which ``Parts`` it looks at."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.parts = Parts()
        self._threshold: float | None = self.config.threshold

    def bind(self, parts: Parts) -> Self:
        """Itself, looking at ``parts``.

        Raises:
            ValueError: one that it needs is missing.
        """
        missing = [name for name in self.needs if getattr(parts, name) is None]
        if missing:
            raise ValueError(f"{type(self).__name__} needs the pipeline's {', '.join(missing)}")
        self.parts = parts
        return self

    @property
    def random(self) -> bool:
        """Whether a score needs one random stream a picture."""
        return False

    @abstractmethod
    def measure(self, pixels: Tensor, streams: Streams | None, *, adaptive: bool) -> Tensor:
        """The scores.

        Args:
            pixels: (B, 3, H, W) float32 in [0, 1], B at least 1; not to be changed.
            streams: one random stream a picture; None where the detector is not ``random``.
            adaptive: whether filters on the way are to give the gradient that an attacker uses.

        Returns:
            (B,) float32, differentiable in the pixels where ``adaptive``.
        """

    def between(self, pixels: Tensor, filtered: Tensor) -> Tensor | None:
        """The scores of ``measure``, from what the steady filter made of (B, 3, H, W) pictures.

        For detectors that look at the filter's result and at nothing else of the pipeline, so that who has it
        already need not filter again.

        Returns:
            (B,) scores; None where the detector has to measure by itself.
        """
        return None

    @final
    @torch.no_grad()
    def __call__(
        self, pixels: Tensor, streams: Streams | None = None, *, filtered: Tensor | None = None
    ) -> Tensor:
        """(B,) scores of (B, 3, H, W) pictures in [0, 1].

        Args:
            pixels: float32.
            streams: one random stream a picture, where the detector is ``random``.
            filtered: what the steady filter makes of them, where that is known.

        Raises:
            ValueError: pictures of another type or shape, another number of streams, or no parts bound.
            RuntimeError: scores that are not (B,) finite numbers: a fault of the detector's author.
        """
        return self._checked(pixels, streams, adaptive=False, filtered=filtered)

    @final
    def adaptive(
        self, pixels: Tensor, streams: Streams | None = None, *, filtered: Tensor | None = None
    ) -> Tensor:
        """The same scores, differentiable, for an attacker who knows the detector."""
        return self._checked(pixels, streams, adaptive=True, filtered=filtered)

    @property
    def threshold(self) -> float:
        """Scores above it are flagged.

        Raises:
            UserError: none was set, and none calibrated yet.
        """
        if self._threshold is None:
            raise UserError(
                f"the {type(self).__name__} detector has no threshold yet",
                where="threshold",
                remedy="write threshold: 0.2, or calibrate it on clean validation pictures",
            )
        return self._threshold

    @threshold.setter
    def threshold(self, value: float | None) -> None:
        if value is not None and not math.isfinite(value):
            raise ValueError(f"the threshold must be finite, got {value}")
        self._threshold = value

    def calibrate(self, scores: Tensor) -> float:
        """Set the lowest threshold that flags at most the share ``fpr`` of these clean pictures.

        Args:
            scores: (n,) of clean validation pictures.

        Returns:
            The threshold, one of the scores.

        Raises:
            UserError: so few pictures that ``fpr`` would allow not even one of them.
            ValueError: scores that are not finite.
        """
        if not bool(scores.isfinite().all()):
            raise ValueError("scores must be finite")
        flagged = allowed(self.config.fpr, len(scores))
        self._threshold = float(scores.float().sort(descending=True).values[flagged])
        return self._threshold

    def flags(self, scores: Tensor) -> Tensor:
        """(B,) bool: which scores are above the threshold."""
        # In double precision, as a reader of both numbers compares them: 0.2 is no float32.
        return scores.double() > self.threshold

    def _checked(
        self, pixels: Tensor, streams: Streams | None, *, adaptive: bool, filtered: Tensor | None = None
    ) -> Tensor:
        if pixels.dtype != torch.float32 or pixels.dim() != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pictures must be float32 (B,3,H,W), got {pixels.dtype} {tuple(pixels.shape)}")
        self.bind(self.parts)
        if self.random and (streams is None or len(streams) != len(pixels)):
            got = "none" if streams is None else len(streams)
            raise ValueError(f"{type(self).__name__} draws: it needs {len(pixels)} streams, got {got}")
        if not len(pixels):
            return pixels.new_zeros(0)
        found = None if filtered is None else self.between(pixels, filtered)
        if found is None:
            found = self.measure(pixels, streams if self.random else None, adaptive=adaptive)
        if found.shape != (len(pixels),) or not bool(found.isfinite().all()):
            raise RuntimeError(f"{type(self).__name__} must give ({len(pixels)},) finite scores")
        return found


def allowed(fpr: float, count: int) -> int:
    """How many of ``count`` clean validation pictures a calibrated threshold may flag.

    Raises:
        UserError: not even one of them.
    """
    # As a user counts: 0.29 of 100 pictures are 29, whatever binary fractions make of it.
    found = int(count * fpr + 1e-9)
    if not found:
        raise UserError(
            f"a false-positive rate of {fpr:g} allows none of {count} validation pictures",
            where="fpr",
            remedy=f"validate on at least {int(-(-1 // fpr))} pictures, or raise fpr",
        )
    return found
