"""One picture file to a square of 8-bit RGB, whatever the file turns out to hold.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 64_000_000
MAX_BYTES = 1 << 29
"""Of a file: more than so many pixels take in any format; some decoders read all of it into memory."""
MIN_SIDE = 8
MAX_SCANS = 100
"""Of a progressive JPEG, which has about ten: each one is a pass over all of its pixels."""

Box = tuple[float, float, float, float]


class BadImage(Exception):  # noqa: N818  (the word of the contracts)
    """A picture that cannot be used; ``prepare`` lists it and drops its item.

    Args:
        path: the file (or a name, for a picture that is not a file).
        reason: one clear phrase, e.g. ``the file is empty``.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


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
    _check_file(path)
    with _complaints(path), Image.open(path, formats=FORMATS) as image:
        return _square(image, path, size, box)


def decode_bytes(data: bytes, name: str, size: int) -> np.ndarray:
    """What ``decode`` makes of a file that holds ``data``; ``name`` stands for its path in messages."""
    if not data:
        raise BadImage(name, "the file is empty")
    with _complaints(name), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _square(image, name, size, None)


def decode_image(image: Image.Image, name: str, size: int) -> np.ndarray:
    """What ``decode`` makes of a picture that Pillow holds; its mode, size and EXIF orientation may be any.

    The picture is left as it is. ``decode`` reads a large JPEG at a reduced size, so the two may differ by a
    grey level there.
    """
    with _complaints(name):
        return _square(image, name, size, None, reduce=False)


@contextmanager
def _complaints(path: str | Path) -> Iterator[None]:
    """Whatever Pillow meets in the block, as ``BadImage``."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of odd metadata; the size is judged below.
            warnings.simplefilter("ignore")
            yield
    except (BadImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadImage(path, _too_large()) from None
    except UnidentifiedImageError:
        raise BadImage(path, "not a picture of a known format (JPEG, PNG, WebP, BMP, GIF, TIFF)") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
        reason = "the picture is cut off (truncated file)" if cut else f"cannot be decoded ({error})"
        raise BadImage(path, reason) from error
    except Exception as error:  # Pillow's parsers meet damaged files with errors of every kind
        raise BadImage(path, f"cannot be decoded ({type(error).__name__}: {error})") from error


def _check_file(path: str | Path) -> None:
    """Refuse what is not a non-empty regular picture file; a pipe or device would block for ever."""
    if Path(path).suffix.lower() not in EXTENSIONS:
        raise BadImage(path, f"not a picture file (known: {', '.join(sorted(EXTENSIONS))})")
    try:
        status = os.stat(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise BadImage(path, "no such file" if missing else f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadImage(path, "not a regular file")
    if status.st_size == 0:
        raise BadImage(path, "the file is empty")
    if status.st_size > MAX_BYTES:
        raise BadImage(path, f"too large: {status.st_size:,} bytes, at most {MAX_BYTES:,}")


def _too_large(width: int = 0, height: int = 0) -> str:
    found = f": {width} x {height}" if width else ""
    return f"too large{found}, at most {MAX_PIXELS // 1_000_000} megapixels (decompression bomb?)"


def _check_size(size: tuple[int, int], path: str | Path) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage(path, _too_large(width, height))
    if min(width, height) < MIN_SIDE:
        raise BadImage(path, f"too small: {width} x {height} pixels, at least {MIN_SIDE} x {MIN_SIDE}")


def _square(
    image: Image.Image, path: str | Path, size: int, box: Box | None, *, reduce: bool = True
) -> np.ndarray:
    _check_size(image.size, path)
    if image.info.get("progressive") and _scans(image) > MAX_SCANS:
        raise BadImage(path, f"a JPEG of more than {MAX_SCANS} scans (decompression bomb?)")
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


def _scans(image: Image.Image) -> int:
    """How many scans a progressive JPEG has that Pillow has opened and not read; 0 once it is read."""
    stream = getattr(image, "fp", None)
    if stream is None:
        return 0
    place, found, last = stream.tell(), 0, b""
    stream.seek(0)
    while block := stream.read(1 << 20):
        found += (last + block).count(b"\xff\xda")  # which coded pixels never hold
        last = block[-1:] if block[-1:] == b"\xff" else b""
    stream.seek(place)
    return found


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
