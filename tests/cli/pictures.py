"""Folders of picture files, good ones of every kind and bad ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = ("shirt", "shoe")


def drawn(seed: int, side: int = 40) -> Image.Image:
    """A small RGB picture decided by its seed."""
    random = np.random.default_rng(seed)
    rough = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return rough.resize((side, side), Image.Resampling.BICUBIC)


def folder(root: Path, each: int = 14) -> Path:
    """train/test x two categories of ordinary pictures; ``each`` in training, half as many in the test."""
    for split, count in (("train", each), ("test", each // 2)):
        for number, category in enumerate(CATEGORIES):
            place = root / split / category
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                name = f"{split}{category}{index:02d}"
                drawn(hash_free(split, number, index)).save(place / f"{name}.png")
    return root


def hash_free(split: str, category: int, index: int) -> int:
    """A seed of its own for each picture."""
    return 10_000 * (split == "test") + 1_000 * category + index


def _turned(path: Path) -> None:
    picture = drawn(1)
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: lie on the side
    picture.save(path, exif=exif)


def _deep(path: Path) -> None:
    values = np.linspace(0, 65535, 1600).reshape(40, 40).astype(np.uint16)
    Image.fromarray(values).save(path)


# Unusual pictures that can be used: name -> how to write one.
UNUSUAL: dict[str, Callable[[Path], None]] = {
    "grey.png": lambda path: drawn(2).convert("L").save(path),
    "cmyk.jpg": lambda path: drawn(3).convert("CMYK").save(path),
    "deep.png": _deep,
    "palette.png": lambda path: drawn(4).convert("P").save(path),
    "turned.jpg": _turned,
}


def _bomb(path: Path) -> None:
    """A PNG of 60,000 x 60,000 pixels that is a few bytes long."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 4096)
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def _truncated(path: Path) -> None:
    drawn(5).save(path)
    path.write_bytes(path.read_bytes()[:-200])


# Pictures that cannot be used: name -> (how to write one, words of the reason).
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "corrupt.jpg": (lambda path: path.write_bytes(b"\xff\xd8\xff" + b"nonsense" * 40), "known format"),
    "truncated.jpg": (_truncated, "cut off"),
    "empty.png": (lambda path: path.write_bytes(b""), "the file is empty"),
    "dot.png": (lambda path: Image.new("RGB", (1, 1)).save(path), "too small"),
    "bomb.png": (_bomb, "too large"),
}
