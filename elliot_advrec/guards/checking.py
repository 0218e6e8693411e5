"""Verdicts on pictures that a program holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.detectors import Detector
from elliot_advrec.guards.verdicts import Asked, Verdict, as_floats, as_images, decoded

BATCH = 32
"""Pictures that are looked at together."""


class Judge(Protocol):
    """What ``check`` asks of a guard."""

    image_size: int
    detector: Detector | None

    @property
    def threshold(self) -> float | None: ...
    def score(self, pixels: Tensor, names: Sequence[str]) -> Tensor: ...
    def look(self, pixels: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor | None]: ...


def check(
    guard: Judge, pictures: Iterable[Asked], names: Iterable[str] | None, cleaned: bool
) -> list[Verdict]:
    """``Guard.check``."""
    found: list[Verdict] = []
    given = iter(pictures)
    called = None if names is None else iter(names)
    while batch := list(islice(given, BATCH)):
        named = [None] * len(batch) if called is None else list(islice(called, len(batch)))
        read = [decoded(asked, name, guard.image_size) for asked, name in zip(batch, named, strict=True)]
        found += _judged(guard, read, cleaned)
    if called is not None and next(called, None) is not None:
        raise ValueError("there are more names than pictures")
    return found


def _judged(guard: Judge, read: list[tuple[str, np.ndarray | BadImage]], cleaned: bool) -> list[Verdict]:
    good = {row: shown for row, (_, shown) in enumerate(read) if isinstance(shown, np.ndarray)}
    names = [read[row][0] for row in good]
    scores: list[float | None] = [None] * len(good)
    images: list[Image.Image | None] = [None] * len(good)
    if good:
        pixels = as_floats(np.stack(list(good.values())).transpose(0, 3, 1, 2))
        measured = None
        if cleaned:
            cleansed, measured = guard.look(pixels, names)
            images = list(as_images(cleansed))
        elif guard.detector is not None:
            measured = guard.score(pixels, names)
        if measured is not None:
            scores = measured.tolist()
    threshold, parts = guard.threshold, iter(zip(names, scores, images, strict=True))
    found = []
    for name, shown in read:
        if isinstance(shown, BadImage):
            found.append(Verdict(name, None, threshold, shown.reason))
        else:
            _, score, image = next(parts)
            found.append(Verdict(name, score, threshold, cleaned=image))
    return found
