"""Garments as they stand in a photograph: somewhere in a larger, cluttered picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from elliot_advrec.data.garments.design import Design
from elliot_advrec.data.garments.draw import cutout


def snapshot(
    drawn: Design, size: int, generator: np.random.Generator
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A photograph with the garment somewhere in a room.

    Args:
        drawn: the garment.
        size: height of the photograph in pixels, at least 32.
        generator: decides the room, the width and the place.

    Returns:
        The RGB picture, and the box (x1, y1, x2, y2) in its pixels that holds the garment.
    """
    height, width = size, round(size * generator.uniform(0.7, 1.0))
    image = _room(width, height, generator)
    side = round(min(width, height) * generator.uniform(0.7, 0.95))
    garment = Image.fromarray(cutout(drawn, side))
    left, top = int(generator.integers(width - side + 1)), int(generator.integers(height - side + 1))
    image.paste(garment, (left, top), garment)
    x1, y1, x2, y2 = garment.getchannel("A").getbbox() or (0, 0, side, side)
    return image, (left + x1, top + y1, left + x2, top + y2)


def _room(width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """A wall, a floor and some blurred furniture."""
    canvas = np.empty((height, width, 3), np.float32)
    floor = round(height * generator.uniform(0.7, 0.9))
    canvas[:floor], canvas[floor:] = generator.uniform(150, 245), generator.uniform(90, 190)
    canvas += generator.uniform(-14, 14, 3)
    for _ in range(int(generator.integers(2, 6))):
        x, y = int(generator.integers(width)), int(generator.integers(height))
        w, h = (
            int(generator.integers(width // 8, width // 2)),
            int(generator.integers(height // 8, height // 2)),
        )
        canvas[y : y + h, x : x + w] = 0.5 * canvas[y : y + h, x : x + w] + 0.5 * generator.uniform(
            60, 240, 3
        )
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(height / 40))
