"""One picture file to a square of 8-bit RGB, whatever the file turns out to hold.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from elliot_advrec.data.bad_images import (
    FORMATS,
    MIN_SIDE,
    BadImage,
    check_file,
    check_scans,
    check_size,
    complaints,
)

Box = tuple[float, float, float, float]


def decode(path: str | Path, size: int, box: Box | None = None) -> np.ndarray:
    """The picture in ``path`` as a ``size`` x ``size`` square.

    The short side is resized to ``size`` (Lanczos, antialiased) and the long side is cropped around its
    centre. Transparency is laid on white, EXIF orientation is applied, 16-bit grey is scaled to 8 bit, and an
    animation gives its first frame.

    Args:
        path: a file with one of ``EXTENSIONS``.
        size: side of the result in pixels.
        box: (left, top, right, bottom) in pixels of the upright picture; only this region is shown, grown
            along its short side to a square as far as the picture allows, so that a tall garment keeps its
            ends.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        BadImage: the file is missing, empty, cut off, not a picture, larger than 64 megapixels or 512 MiB,
            smaller than 8 pixels a side, or the box lies outside it.
    """
    check_file(path)
    with complaints(path), Image.open(path, formats=FORMATS) as image:
        return _square(image, path, size, box)


def decode_bytes(data: bytes, name: str, size: int) -> np.ndarray:
    """What ``decode`` makes of a file that holds ``data``; ``name`` stands for its path in messages."""
    if not data:
        raise BadImage(name, "the file is empty")
    with complaints(name), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _square(image, name, size, None)


def decode_image(image: Image.Image, name: str, size: int) -> np.ndarray:
    """What ``decode`` makes of a picture that Pillow holds; its mode, size and EXIF orientation may be any.

    The picture is left as it is. ``decode`` reads a large JPEG at a reduced size, so the two may differ by a
    grey level there.
    """
    with complaints(name):
        return _square(image, name, size, None, reduce=False)


def _square(
    image: Image.Image, path: str | Path, size: int, box: Box | None, *, reduce: bool = True
) -> np.ndarray:
    check_size(image.size, path)
    check_scans(image, path)
    width, height = image.size
    shown = min(width, height) if box is None else max(1.0, min(box[2] - box[0], box[3] - box[1]))
    shrink = 4 * size / shown
    if shrink < 1 and reduce:
        # A JPEG decoder can leave out detail for free, but does so by plain averages: from four times the
        # size the result is the same to a grey level, from twice the size it is three off.
        image.draft(None, (round(width * shrink), round(height * shrink)))
    drafted = image.size[0] / width
    image = _rgb(_upright(image), path)
    region = _region(image.size, None if box is None else tuple(v * drafted for v in box), path, drafted)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=region))


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels
        return image
    return turned if turned is not None else image


def _rgb(image: Image.Image, path: str | Path) -> Image.Image:
    """Any mode to RGB, transparency on white, deep grey scaled rather than clipped."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise BadImage(path, "its 32-bit integer pixels have no known range")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadImage(path, "its floating-point pixels have no known range")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(white, seen).convert("RGB")
    return image.convert("RGB")


def _region(size: tuple[int, int], box: tuple[float, ...] | None, path: str | Path, scale: float) -> Box:
    """The largest centred square of the picture, or of the box after growing it towards a square."""
    width, height = size
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if box is not None:
        left, top = max(0.0, box[0]), max(0.0, box[1])
        right, bottom = min(float(width), box[2]), min(float(height), box[3])
        if min(right - left, bottom - top) < MIN_SIDE * scale - 1:
            upright = tuple(round(v / scale) for v in box)
            raise BadImage(path, f"its box {upright} leaves less than {MIN_SIDE} pixels of the picture")
        side = max(right - left, bottom - top)
        left, right = _grow(left, right, min(side, width), width)
        top, bottom = _grow(top, bottom, min(side, height), height)
    side = min(right - left, bottom - top)
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    return x, y, min(x + side, float(width)), min(y + side, float(height))


def _grow(low: float, high: float, length: float, limit: float) -> tuple[float, float]:
    """An interval of ``length`` around (low, high), moved to lie within (0, limit)."""
    length = max(length, high - low)
    start = min(max((low + high - length) / 2, 0.0), limit - length)
    return start, start + length
