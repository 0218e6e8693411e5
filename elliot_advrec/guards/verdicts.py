"""What a guard says of a picture, and the pictures that it is asked about."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.images import decode, decode_bytes, decode_image

Asked: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image"
"""A picture file's path, a picture file's content, or a picture that Pillow holds."""


@dataclass(frozen=True)
class Verdict:
    """What a guard says of one picture.

    Args:
        name: what the picture is called.
        score: the detector's; higher for more suspicious ones. None where there is no detector, or the
            picture could not be judged.
        threshold: scores above it are flagged; None without a detector.
        error: why the picture could not be judged (or its cleaned form not be written), one phrase.
        cleaned: the filtered picture, 8-bit RGB at the guard's size, where it was asked for.

    Attributes:
        flagged: whether the score is above the threshold.
    """

    name: str
    score: float | None
    threshold: float | None
    error: str | None = None
    cleaned: Image.Image | None = field(default=None, repr=False, compare=False)
    flagged: bool = field(init=False)

    def __post_init__(self) -> None:
        both = self.score is not None and self.threshold is not None
        object.__setattr__(self, "flagged", both and self.score > self.threshold)  # type: ignore[operator]


def decoded(asked: Asked, name: str | None, size: int) -> tuple[str, np.ndarray | BadImage]:
    """A picture's name and its (size, size, 3) uint8 pixels, or why there are none.

    Without a ``name``, a file goes by its path, and any other picture by its content, so that what is said
    of it does not depend on where in a list it stands.

    Raises:
        TypeError: not a picture at all.
    """
    read: Callable[[str], np.ndarray]
    if isinstance(asked, str | os.PathLike):
        path = Path(asked)
        name, read = name or str(path), lambda _: decode(path, size)
    elif isinstance(asked, bytes):
        name = name or f"bytes {hashlib.sha256(asked).hexdigest()[:16]}"
        read = lambda called: decode_bytes(asked, called, size)  # noqa: E731
    elif isinstance(asked, Image.Image):
        read = lambda called: decode_image(asked, called, size)  # noqa: E731
    else:
        raise TypeError(f"a picture is a path, bytes or a PIL image, got {type(asked).__name__}")
    try:
        pixels = read(name or "picture")
    except BadImage as error:
        return name or "picture", error
    except MemoryError:
        return name or "picture", BadImage(name or "picture", "no memory to decode it")
    return name or f"picture {hashlib.sha256(pixels.tobytes()).hexdigest()[:16]}", pixels


def as_floats(pixels: np.ndarray) -> Tensor:
    """(B, 3, S, S) uint8 to float32 in [0, 1], channels-last in memory, as a pixel file gives them."""
    found = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)
    return found.float().div_(255.0)


def as_images(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, S, S) floats in [0, 1] as 8-bit pictures."""
    shown = pixels.mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(each) for each in shown]
