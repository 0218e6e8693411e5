"""Pictures: damaged and hostile files by the hundred, each by itself, then all of them as one folder."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.faults.bytes_and_values import damaged
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.finding import Pictures
from elliot_advrec.data.images import decode
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.errors import UserError

SIZE = 32
FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF"}
MODES = {
    ".jpg": ("RGB", "L", "CMYK"),
    ".png": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    ".webp": ("RGB", "RGBA"),
    ".bmp": ("RGB", "L", "P", "1"),
    ".gif": ("P", "L"),
    ".tif": ("RGB", "RGBA", "L", "CMYK", "LAB", "I;16", "F", "1"),
}


def run(trials: Trials, folder: Path) -> Tally:
    """Half damaged, a quarter hostile by design, a quarter special files; then the folder as a catalog."""
    tally = Tally("images")
    root = folder / "pictures"
    root.mkdir()
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        path = _written(root, number, chance)
        attempt(tally, number, lambda path=path: _decoded(path))
    if trials.only is None:
        attempt(tally, trials.count, lambda: _scanned(root, trials.count))
        attempt(tally, trials.count + 1, lambda: _cataloged(root, folder / "prepared"))
    return tally


def _written(root: Path, number: int, chance: random.Random) -> Path:
    extension = chance.choice(list(FORMATS))
    path = root / f"{number:05d}{extension if chance.random() < 0.8 else extension.upper()}"
    kind = number % 4
    if kind < 2:
        whole = _picture(extension, chance.choice(MODES[extension]), chance.random() < 0.3)
        path.write_bytes(damaged(whole, chance))
    elif kind == 2:
        name, make = chance.choice(list(HOSTILE.items()))
        path = path.with_suffix(f".{name.partition(' ')[0]}")
        path.write_bytes(make(chance))
    else:
        chance.choice(SPECIAL)(path, chance)
    return path


def _decoded(path: Path) -> None:
    shown = decode(path, SIZE)
    if shown.shape != (SIZE, SIZE, 3) or shown.dtype != np.uint8:
        raise Wrong(f"{path.name} became {shown.shape} {shown.dtype}")


def _scanned(root: Path, written: int) -> None:
    """The folder as a scan finds it: a verdict on every picture, whatever it is."""
    from elliot_advrec.data.bad_images import BadImage

    for each in Pictures(root):
        try:
            each.load(SIZE)
        except BadImage as error:
            if "\n" in str(error.reason):
                raise Wrong(f"{each.name}: {error.reason}") from error


def _cataloged(root: Path, folder: Path) -> None:
    """The folder as a catalog: refused for the links that lead out, then read without them."""
    source = SOURCES.get("folder")
    config = source.config_class(images=root)
    try:
        source(config, root).catalog()
    except UserError as error:
        if "leads out" not in str(error):
            raise
    for path in root.rglob("*"):
        if path.is_symlink():
            path.unlink()
    good = folder / "good"
    good.mkdir(parents=True)
    catalog: Catalog = source(config, root).catalog()
    try:
        prepare(catalog, SIZE, folder, workers=2)
    except UserError as error:
        if "more than half" not in str(error):
            raise


@cache
def _picture(extension: str, mode: str, rich: bool) -> bytes:
    """A picture file of 48 x 40; ``rich``: with EXIF, a profile and frames, where its format has them."""
    generator = np.random.default_rng(len(extension + mode))
    if mode == "I;16":
        image = Image.fromarray(generator.integers(0, 65536, (40, 48)).astype(np.uint16))
    elif mode == "F":
        image = Image.fromarray(generator.random((40, 48)).astype(np.float32))
    else:
        drawn = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((48, 40))
        image = Image.new("LAB", (48, 40)) if mode == "LAB" else drawn.convert(mode)
    stream, extra = io.BytesIO(), {}
    if rich and extension in (".jpg", ".png", ".webp"):
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "\x1b[2J" * 50
        extra = {"exif": exif, "icc_profile": b"no profile" * 40}
    if rich and extension in (".gif", ".webp", ".tif") and mode not in ("F", "I;16", "LAB"):
        extra |= {"save_all": True, "append_images": [image.rotate(90 * turn) for turn in range(4)]}
    if rich and extension == ".jpg":
        extra |= {"progressive": True}
    image.save(stream, FORMATS[extension], **extra)
    return stream.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, data: bytes, *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = _chunk(b"IHDR", header) + b"".join(more) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@cache
def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    blocks = [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join(blocks) + packer.compress(bytes(count % (1 << 20))) + packer.flush()


def _bomb(chance: random.Random) -> bytes:
    """A few kilobytes that unfold into as many pixels as are allowed, or more."""
    most = 2**31 - 1
    sizes = [(7_900, 8_000), (8_100, 8_000), (60_000, 60_000), (most, most), (64_000_000, 1)]
    width, height = chance.choice(sizes)
    return _png(width, height, _zeros(min(width * 3 + 1, 1 << 24) * min(height, 8_000) % (1 << 28)))


def _text_bomb(chance: random.Random) -> bytes:
    text = b"Comment\0\0" + _zeros(1 << 28)
    return _png(16, 16, zlib.compress(bytes(16 * 49)), _chunk(chance.choice([b"zTXt", b"iCCP"]), text))


def _odd_png(chance: random.Random) -> bytes:
    sizes = [(0, 0), (0, 16), (1, 1), (7, 7), (8, 100_000), (16, 16)]
    width, height = chance.choice(sizes)
    data = zlib.compress(chance.randbytes(chance.choice([0, 10, 5_000])))
    depth, colour = chance.choice([1, 2, 4, 8, 16, 3]), chance.choice([0, 2, 3, 4, 6, 5])
    return _png(width, height, data, depth=depth, colour=colour)


def _gif(chance: random.Random) -> bytes:
    """Many frames, or a first frame of another size than the screen."""
    frames = chance.choice([1, 500])
    size = chance.choice([(16, 16), (65535, 65535), (8, 60_000), (0, 0)])
    screen = struct.pack("<HHBBB", *size, 0x80, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, chance.choice([16, 65535]), 16, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + screen + bytes(6) + frame * frames + b"\x3b"


def _bmp(chance: random.Random) -> bytes:
    sizes = [(2**31 - 1, 1), (1, -(2**31)), (-16, 16), (16, -16), (70_000, 70_000), (0, 0)]
    width, height = chance.choice(sizes)
    bits, packing = chance.choice([1, 4, 8, 24, 32, 99]), chance.choice([0, 1, 2, 3, 77])
    colours = chance.choice([0, 2**31])
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + info + chance.randbytes(2_000)


def _tiff(chance: random.Random) -> bytes:
    """Directories that point at themselves, values that lie nowhere, strips without end."""
    entries = [
        (256, 4, 1, chance.choice([16, 2**31, 0])), (257, 4, 1, chance.choice([16, 2**31, 0])),
        (258, 3, 1, chance.choice([8, 16, 0])),
        (259, 3, 1, chance.choice([1, 5, 7, 32773, 8, 34712])), (262, 3, 1, chance.choice([0, 1, 2, 6])),
        (273, 4, chance.choice([1, 2**28]), 8), (277, 3, 1, chance.choice([1, 3, 60_000])),
        (278, 4, 1, 16), (279, 4, chance.choice([1, 2**28]), chance.choice([256, 2**32 - 1])),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", chance.choice([0, 8])) + bytes(600)


def _jpeg(chance: random.Random) -> bytes:
    """A header of another size than the picture; progressive scans without end."""
    data = bytearray(_picture(".jpg", "RGB", True))
    at = data.find(b"\xff\xc2") if b"\xff\xc2" in data else data.find(b"\xff\xc0")
    size = chance.choice([(65535, 65535), (0, 0), (8, 65535), (7_000, 9_000)])
    data[at + 5 : at + 9] = struct.pack(">HH", *size)
    scan = data.find(b"\xff\xda")
    again = bytes(data[scan:-2]) * chance.choice([1, 300])
    return bytes(data[:scan]) + again + b"\xff\xd9"


def _not_one(chance: random.Random) -> bytes:
    return chance.choice(
        [b"", b"\0", b"\xff", b"<svg onload=alert(1)></svg>", b"PK\x03\x04../../evil", b"%PDF-1.4",
         b"#!/bin/sh\ntouch ran\n", b"%!PS-Adobe-3.0 EPSF-3.0\n(ran) (w) file closefile\n",
          b"\x80\x04\x95.", chance.randbytes(4_000)]
    )  # fmt: skip


HOSTILE: dict[str, Callable[[random.Random], bytes]] = {
    "png bomb": _bomb, "png text": _text_bomb, "png odd": _odd_png, "gif odd": _gif, "bmp odd": _bmp,
    "tif odd": _tiff, "jpg odd": _jpeg, "jpg none": _not_one, "webp none": _not_one,
}  # fmt: skip


def _folder(path: Path, chance: random.Random) -> None:
    path.mkdir()
    (path / "in.png").write_bytes(_picture(".png", "RGB", False))


def _link(path: Path, chance: random.Random) -> None:
    path.symlink_to(chance.choice(["/etc/passwd", "/dev/zero", "nowhere", path.name, "..", "/proc/self/mem"]))


def _pipe(path: Path, chance: random.Random) -> None:
    os.mkfifo(path)


def _named(path: Path, chance: random.Random) -> None:
    """An ordinary picture under a name that steers a terminal, a page or a path."""
    long, odd = "a" * 200, "'\"&"
    stems = ["\x1b[2J", "<script>x", "..", long, "名前", "\u202e", "a\\b", "-rf", odd, "CON", "%2e%2e"]
    stem = chance.choice(stems)
    path.with_name(f"{path.stem}{stem}{path.suffix}").write_bytes(_picture(path.suffix.lower(), "L", False))
    path.write_bytes(_picture(path.suffix.lower(), "L", False))


def _locked(path: Path, chance: random.Random) -> None:
    """A picture in another format than its name says, which nobody may read."""
    path.write_bytes(_picture(chance.choice(list(FORMATS)), "L", True))
    path.chmod(0)


def _sparse(path: Path, chance: random.Random) -> None:
    """A picture that is followed by gigabytes of nothing."""
    path.write_bytes(_picture(path.suffix.lower(), "L", False))
    os.truncate(path, 8 << 30)


SPECIAL: tuple[Callable[[Path, random.Random], None], ...] = (_folder, _link, _pipe, _named, _locked, _sparse)
