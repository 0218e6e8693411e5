"""A filter and a detector in front of an extractor, which is left as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from elliot_advrec.detectors import Detector, Parts
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.saved import SavedNetwork
from elliot_advrec.filters import Filter
from elliot_advrec.guards import checking, saving
from elliot_advrec.guards.folder import AGAIN
from elliot_advrec.guards.verdicts import Asked, Verdict
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams


class Guard:
    """A filter that cleans pictures, a detector that scores them, or both.

    Filters and detectors that draw do so by the picture's name, so what is said of a picture depends neither
    on the batch nor on the order, but for the last digits of floating-point sums. Everything is computed in
    float32: a score in fewer digits could fall on the other side of its threshold.

    Args:
        filter: what cleans; None leaves pictures as they are.
        detector: what scores; it is bound to ``filter`` and, where it looks at embeddings, to ``extractor``.
        image_size: side S of the pictures in pixels.
        extractor: what the guard stands in front of. Its digest is recorded; it is kept where the detector
            looks at embeddings.
        seed: decides every draw, with the picture's name.
        about: where the guard comes from, as JSON; ``extractor`` is the digest (``Extractor.digest``) of the
            one that it was made for.

    Raises:
        ValueError: neither filter nor detector, or a detector without what it looks at.
    """

    def __init__(
        self,
        filter: Filter | None,
        detector: Detector | None,
        image_size: int,
        *,
        extractor: Extractor | None = None,
        seed: int = 0,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if filter is None and detector is None:
            raise ValueError("a guard needs a filter or a detector")
        self.filter, self.detector, self.image_size, self.seed = filter, detector, image_size, seed
        self.about = dict(about or {})
        self.digest: str | None = None
        """SHA-256 of all that decides a verdict, once the guard was saved or loaded."""
        if extractor is not None:
            self.about.setdefault("extractor", extractor.digest())
        looks = detector is not None and "embed" in detector.needs
        self.extractor = extractor if looks else None
        self._frozen = None if self.extractor is None else FrozenExtractor(self.extractor)
        if detector is not None:
            detector.bind(Parts(filter, None if self._frozen is None else self._frozen.embed))
        self.device = torch.device("cpu")
        for part in (filter, detector):
            if isinstance(part, SavedNetwork):
                part.network.to(memory_format=torch.channels_last)

    def to(self, device: str | torch.device) -> Self:
        """Itself, with all networks on ``device``."""
        self.device = torch.device(device)
        for part in (self.filter, self.detector):
            if isinstance(part, SavedNetwork):
                part.to(self.device)
        if self._frozen is not None:
            self._frozen.to(self.device)
        return self

    @property
    def threshold(self) -> float | None:
        """Scores above it are flagged; None without a detector.

        Raises:
            UserError: the detector's was neither set nor calibrated.
        """
        return None if self.detector is None else self.detector.threshold

    @torch.no_grad()
    def clean(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        """The filtered pictures, on the guard's device; the pictures themselves where there is no filter.

        Args:
            pixels: (B, 3, S, S) float32 in [0, 1].
            names: B names, which decide what a random filter draws.

        Raises:
            ValueError: pictures of another size, or another number of names.
        """
        given = self._placed(pixels, names)
        if self.filter is None:
            return given
        return self.filter(given, self._streams("filter", names) if self.filter.random else None)

    def score(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        """(B,) scores of the detector, on the guard's device; arguments as for ``clean``.

        Raises:
            ValueError: no detector, pictures of another size, or another number of names.
        """
        detector, given = self._needed(), self._placed(pixels, names)
        return detector(given, self._streams("detector", names) if detector.random else None)

    @torch.no_grad()
    def look(self, pixels: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """What ``clean`` and ``score`` give, by one pass through the filter where the detector needs no more.

        Returns:
            The filtered pictures, and their scores; None without a detector.
        """
        if self.detector is None:
            return self.clean(pixels, names), None
        parts = None if self.filter is None else self.filter.divided() or (self.filter, None)
        if parts is None or parts[0].random or "filter" not in self.detector.needs:
            return self.clean(pixels, names), self.score(pixels, names)
        given, (steady, last) = self._placed(pixels, names), parts
        filtered = steady(given)
        cleaned = filtered if last is None else last(filtered, self._streams("filter", names))
        streams = self._streams("detector", names) if self.detector.random else None
        return cleaned, self.detector(given, streams, filtered=filtered)

    def flags(self, scores: Tensor) -> Tensor:
        """(B,) bool: which scores are above the threshold.

        Raises:
            ValueError: no detector.
            UserError: the detector's threshold was neither set nor calibrated.
        """
        return self._needed().flags(scores)

    def calibrate(self, batches: Iterable[tuple[Tensor, Sequence[str]]]) -> float:
        """Set the threshold from clean validation pictures, unless the detector's settings fix it.

        Args:
            batches: pictures and names, as for ``score``.

        Returns:
            The threshold.

        Raises:
            ValueError: no detector.
            UserError: so few pictures that the detector's ``fpr`` would allow not even one of them.
        """
        detector = self._needed()
        if detector.config.threshold is None:
            self.digest = None  # the folder that it was saved to says another one
            scores = [self.score(pixels, names).cpu() for pixels, names in batches]
            detector.calibrate(torch.cat(scores) if scores else torch.empty(0))
        return detector.threshold

    def check(
        self, pictures: Iterable[Asked], *, names: Iterable[str] | None = None, cleaned: bool = False
    ) -> list[Verdict]:
        """One verdict a picture, in their order; a bad picture gets one with an ``error``.

        Pictures of any size and mode are decoded as those of a catalog are: upright, on white, the short side
        resized to the guard's size and the long one cropped around its centre.

        Args:
            pictures: paths, bytes of files, or PIL images.
            names: what they are called; absent: files by their path, others by a hash of their content.
            cleaned: whether verdicts carry the cleaned picture.

        Raises:
            TypeError: something that is no picture, such as a number.
            ValueError: another number of names than of pictures.
        """
        return checking.check(self, pictures, names, cleaned)

    def suits(self, extractor: Extractor) -> None:
        """Refuse an extractor that the guard was not made for.

        Raises:
            UserError: its weights or its picture size are not those that the guard was made for.
        """
        recorded, found = self.about.get("extractor"), extractor.digest()
        if recorded is not None and recorded != found:
            raise UserError(
                f"the guard was made for another extractor ({recorded[:12]}, not {found[:12]})",
                remedy="fit a guard for this one",
            )
        if extractor.image_size != self.image_size:
            raise UserError(
                f"the guard cleans pictures of {self.image_size} pixels a side, the extractor looks at"
                f" {extractor.image_size}",
                remedy="fit a guard for this size",
            )

    def save(self, folder: str | os.PathLike[str]) -> str:
        """Write the guard's folder; ``guard.json`` comes last.

        Returns:
            The guard's digest.

        Raises:
            UserError: no threshold yet, a part that no registry knows, or a folder that cannot be written.
        """
        self.digest = saving.save(self, Path(folder))
        return self.digest

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> Guard:
        """The guard that ``save`` wrote.

        Raises:
            UserError: no guard, files that are missing, damaged or changed, another format, a part that is
                not installed, or weights that do not fit.
        """
        path = Path(folder)
        record, filter, detector, extractor = saving.load(path)
        try:
            found = cls(
                filter, detector, record.image_size, extractor=extractor, seed=record.seed, about=record.about
            )
        except ValueError as error:
            raise UserError(str(error), where=str(path), remedy=AGAIN) from None
        found.digest = record.digest
        return found.to(device)

    def _needed(self) -> Detector:
        if self.detector is None:
            raise ValueError("this guard has no detector")
        return self.detector

    def _placed(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        side = self.image_size
        if pixels.shape[1:] != (3, side, side) or len(pixels) != len(names):
            raise ValueError(
                f"expected (B,3,{side},{side}) pictures and B names, got {tuple(pixels.shape)} and"
                f" {len(names)}"
            )
        return pixels.to(self.device, memory_format=torch.channels_last)

    def _streams(self, purpose: str, names: Sequence[str]) -> Streams:
        return Streams([stream_seed(self.seed, purpose, name) for name in names])
