"""Every kind of picture a shop's folder may hold, good and bad."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.images import decode, decode_bytes


def ramp(height: int = 40, width: int = 40) -> np.ndarray:
    """(height, width) uint8 that grows from left to right."""
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def scene(height: int = 40, width: int = 40) -> np.ndarray:
    """(height, width, 3) uint8: red grows to the right, green downwards, blue is 60."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    return picture


def save(folder: Path, name: str, array: np.ndarray, **options: object) -> Path:
    path = folder / name
    Image.fromarray(array).save(path, **options)
    return path


def png(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes) -> Path:
    """A PNG of any header; ``rows`` are the filtered scan lines."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_exact_size_is_returned_unchanged(tmp_path: Path) -> None:
    shown = decode(save(tmp_path, "a.png", scene()), 40)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, scene())


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.jpeg", "a.png", "a.webp", "a.bmp", "a.gif", "a.tif", "A.TIFF", "a.JPG"]
)
def test_each_format_shows_the_same_scene(tmp_path: Path, name: str) -> None:
    shown = decode(save(tmp_path, name, scene()), 32)
    reference = decode(save(tmp_path, "reference.png", scene()), 32)
    assert shown.shape == (32, 32, 3)
    assert np.abs(shown.astype(int) - reference).mean() < 12


def test_long_side_is_cropped_around_its_centre(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 200
    assert decode(save(tmp_path, "wide.png", wide), 32).min() == 200
    assert decode(save(tmp_path, "tall.png", wide.transpose(1, 0, 2)), 32).min() == 200


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    shown = decode(save(tmp_path, "checks.png", checks), 32)
    assert np.abs(shown[4:-4, 4:-4].astype(int) - 127).max() <= 3


def test_large_jpeg_agrees_with_the_full_decoding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 18, 3), dtype=np.uint8))
    large = np.asarray(coarse.resize((900, 600), Image.Resampling.BICUBIC))
    path = save(tmp_path, "large.jpg", large, quality=95)
    lossless = save(tmp_path, "large.png", np.asarray(Image.open(path)))
    for box in (None, (300.0, 100.0, 700.0, 500.0)):
        difference = decode(path, 32, box).astype(int) - decode(lossless, 32, box)
        assert np.abs(difference).mean() < 0.5


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    shown = decode(save(tmp_path, "grey.png", ramp()), 40)
    np.testing.assert_array_equal(shown, np.stack([ramp()] * 3, -1))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    assert np.abs(decode(tmp_path / "print.jpg", 40).astype(int) - scene()).mean() < 6


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bit_is_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    deep = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (40, 1))
    shown = decode(save(tmp_path, name, deep), 40)
    expected = np.round(deep / 257).astype(int)
    assert np.abs(shown[..., 0].astype(int) - expected).max() <= 1
    assert (shown.min(), shown.max()) == (0, 255)


def test_sixteen_bit_colour(tmp_path: Path) -> None:
    line = b"\0" + struct.pack(">HHH", 0xFFFF, 0x8000, 0) * 16
    shown = decode(png(tmp_path / "deep.png", 16, 16, 16, 2, line * 16), 16)
    np.testing.assert_array_equal(shown[3, 3], [255, 128, 0])


def test_one_bit(tmp_path: Path) -> None:
    half = np.zeros((40, 40), np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).convert("1").save(tmp_path / "fax.png")
    np.testing.assert_array_equal(decode(tmp_path / "fax.png", 40)[..., 1], half)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "cutout.png"
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    if mode == "P":
        paletted = Image.fromarray((alpha > 0).astype(np.uint8), "P")
        paletted.putpalette([9, 9, 9, 40, 40, 40])
        paletted.save(path, transparency=0)
    elif mode == "RGB":
        colours = np.where(alpha[..., None] > 0, 40, 9).astype(np.uint8).repeat(3, -1)
        Image.fromarray(colours).save(path, transparency=(9, 9, 9))
    else:
        grey = np.where(alpha > 0, 40, 9).astype(np.uint8)
        channels = [grey] * (3 if mode == "RGBA" else 1) + [alpha]
        Image.merge(mode, [Image.fromarray(channel) for channel in channels]).save(path)
    shown = decode(path, 40)
    assert (shown[:9] == 255).all()
    assert (shown[12:28, 12:28] == 40).all()


def test_half_transparency_is_blended(tmp_path: Path) -> None:
    veil = np.zeros((16, 16, 4), np.uint8)
    veil[..., 3] = 128
    assert abs(int(decode(save(tmp_path, "veil.webp", veil, lossless=True), 16)[8, 8, 0]) - 127) <= 1


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown after a quarter turn clockwise
    upright = decode(save(tmp_path, "upright.jpg", np.rot90(scene(), -1).copy(), quality=98), 40)
    turned = decode(save(tmp_path, "turned.jpg", scene(), exif=exif, quality=98), 40)
    assert np.abs(turned.astype(int) - upright).mean() < 2


def test_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=20, loop=0)
    np.testing.assert_array_equal(decode(tmp_path / "a.gif", 16)[8, 8], [255, 0, 0])


def test_box_shows_its_region_alone(tmp_path: Path) -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[10:30, 30:50] = 220
    shown = decode(save(tmp_path, "a.png", picture), 20, (30, 10, 50, 30))
    assert shown.min() == 220


def test_narrow_box_grows_to_a_square_within_the_picture(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", scene(60, 60))
    # 10 x 40 at the left edge: grown to 40 x 40, moved inside.
    np.testing.assert_array_equal(decode(path, 40, (0, 10, 10, 50)), scene(60, 60)[10:50, 0:40])


def test_box_is_cut_at_the_edges(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", scene(60, 60))
    np.testing.assert_array_equal(decode(path, 60, (-20, -20, 90, 90)), scene(60, 60))


@pytest.mark.parametrize("box", [(70, 70, 90, 90), (10, 10, 12, 12), (30, 30, 20, 20)])
def test_box_without_a_picture(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    with pytest.raises(BadImage, match=r"its box .* leaves less than 8 pixels"):
        decode(save(tmp_path, "a.png", scene(60, 60)), 32, box)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.gif", "cut.bmp", "cut.webp", "cut.tif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_off_file(tmp_path: Path, name: str, share: float) -> None:
    rng = np.random.default_rng(0)
    path = save(tmp_path, name, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadImage, match=r"cut off|cannot be decoded|not a picture"):
        decode(path, 32)


def test_cut_off_jpeg_is_called_so(tmp_path: Path) -> None:
    path = save(tmp_path, "cut.jpg", scene(200, 200))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(BadImage, match=r"the picture is cut off \(truncated file\)"):
        decode(path, 32)


def test_damaged_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    outcomes = set()
    for name in ("a.jpg", "a.png", "a.gif", "a.webp", "a.tif", "a.bmp"):
        whole = np.frombuffer(save(tmp_path, name, scene()).read_bytes(), np.uint8)
        for _ in range(25):
            damaged = whole.copy()
            damaged[rng.integers(0, len(whole), 12)] = rng.integers(0, 256, 12)
            (tmp_path / name).write_bytes(damaged.tobytes())
            try:
                outcomes.add(decode(tmp_path / name, 16).shape)
            except BadImage:
                outcomes.add("bad")
    assert outcomes == {"bad", (16, 16, 3)}


def test_decompression_bomb(tmp_path: Path) -> None:
    line = b"\0" * (1 + 30_000 // 8)
    bomb = png(tmp_path / "bomb.png", 30_000, 30_000, 1, 0, line * 30_000)
    assert bomb.stat().st_size < 200_000
    with pytest.raises(BadImage, match=r"too large.*64 megapixels.*decompression bomb"):
        decode(bomb, 32)


def test_merely_large_header_is_refused_before_decoding(tmp_path: Path) -> None:
    # No pixel follows the header, so a decoder that started would call it cut off.
    with pytest.raises(BadImage, match=r"too large: 10000 x 10000, at most 64 megapixels"):
        decode(png(tmp_path / "large.png", 10_000, 10_000, 8, 2, b""), 32)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (300, 7)])
def test_too_small(tmp_path: Path, height: int, width: int) -> None:
    with pytest.raises(BadImage, match=rf"too small: {width} x {height} pixels, at least 8 x 8"):
        decode(save(tmp_path, "dot.png", scene(height, width)), 32)


def test_gigabytes_behind_a_small_picture_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"  # its decoder reads the whole file before anything else
    Image.new("RGB", (16, 16)).save(path)
    os.truncate(path, 8 << 30)  # takes no room on the disk
    with pytest.raises(BadImage, match="too large: 8,589,934,592 bytes, at most 536,870,912"):
        decode(path, 16)


def test_scans_without_end_are_refused_before_decoding(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    scan = data.index(b"\xff\xda")
    for times, good in ((1, True), (30, False)):
        path = tmp_path / f"{times}.jpg"
        path.write_bytes(data[:scan] + data[scan:-2] * times + b"\xff\xd9")
        if good:
            assert decode(path, 16).shape == (16, 16, 3)
        else:
            with pytest.raises(BadImage, match="more than 100 scans"):
                decode(path, 16)
            with pytest.raises(BadImage, match="more than 100 scans"):
                decode_bytes(path.read_bytes(), "upload", 16)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").touch()
    with pytest.raises(BadImage, match="the file is empty"):
        decode(tmp_path / "zero.jpg", 32)


def test_text_named_jpg(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    with pytest.raises(BadImage, match="not a picture of a known format"):
        decode(tmp_path / "page.jpg", 32)


def test_other_format_behind_a_known_name(tmp_path: Path) -> None:
    # Pillow would run an outside program on PostScript; only six raster formats are tried.
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n")
    with pytest.raises(BadImage, match="not a picture of a known format"):
        decode(tmp_path / "script.png", 32)


@pytest.mark.parametrize("name", ["a.svg", "a.pdf", "a"])
def test_unknown_extension(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(BadImage, match="not a picture file"):
        decode(tmp_path / name, 32)


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="no such file"):
        decode(tmp_path / "none.png", 32)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadImage, match="not a regular file"):
        decode(tmp_path / "folder.png", 32)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="not a regular file"):
        decode(tmp_path / "pipe.png", 32)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_range(tmp_path: Path, mode: str) -> None:
    values = np.full((16, 16), 100_000, np.float32 if mode == "F" else np.int32)
    with pytest.raises(BadImage, match="no known range"):
        decode(save(tmp_path, "depth.tif", values), 16)


def test_bad_image_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(BadImage("a.png", "the file is empty")))
    assert (error.path, error.reason, str(error)) == (
        "a.png",
        "the file is empty",
        "a.png: the file is empty",
    )
