"""Which pictures cannot be used: what is refused before it is decoded, and what Pillow complains of.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 64_000_000
MAX_BYTES = 1 << 29
"""Of a file: more than so many pixels take in any format; some decoders read all of it into memory."""
MIN_SIDE = 8
MAX_SCANS = 100
"""Of a progressive JPEG, which has about ten: each one is a pass over all of its pixels."""


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


@contextmanager
def complaints(path: str | Path) -> Iterator[None]:
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


def check_file(path: str | Path) -> None:
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


def check_size(size: tuple[int, int], path: str | Path) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage(path, _too_large(width, height))
    if min(width, height) < MIN_SIDE:
        raise BadImage(path, f"too small: {width} x {height} pixels, at least {MIN_SIDE} x {MIN_SIDE}")


def check_scans(image: Image.Image, path: str | Path) -> None:
    """Refuse a progressive JPEG that would be painted over and over, before it is."""
    if image.info.get("progressive") and _scans(image) > MAX_SCANS:
        raise BadImage(path, f"a JPEG of more than {MAX_SCANS} scans (decompression bomb?)")


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
