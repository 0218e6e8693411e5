"""Light, folds and shadow, on a garment and behind it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from elliot_advrec.data.garments.design import Design
from elliot_advrec.seeding import stream_seed


def light_on(generator: np.random.Generator, cover: np.ndarray, size: int) -> np.ndarray:
    """Brightness (size, size) of the cloth: light from one side, rounded edges, soft folds."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = steps[None, :], steps[:, None]
    lean = generator.uniform(-0.09, 0.09)
    light = (1.02 + lean * x - 0.05 * y) * (0.74 + 0.3 * _blurred(cover, 0.045 * size))
    for _ in range(int(generator.integers(3, 6))):
        turn, offset = generator.normal(np.pi / 2, 0.5), generator.uniform(-0.5, 0.5)
        across = x * np.sin(turn) - y * np.cos(turn) - offset
        along = x * np.cos(turn) + y * np.sin(turn) - generator.uniform(-0.5, 0.6)
        width, depth, length = (
            generator.uniform(0.04, 0.1),
            generator.uniform(0.06, 0.17),
            generator.uniform(0.25, 0.6),
        )
        # A valley beside a ridge: the derivative of a bump reads as a fold.
        near = across / width
        light -= depth * 1.6 * near * np.exp(-near * near - (along / length) ** 2)
    return light * (1 + generator.normal(0, 0.03))


def background(design: Design, size: int, cover: np.ndarray) -> np.ndarray:
    """(size, size, 3) float in [0, 255]: white, off-white or a grey gradient, darker under the garment."""
    generator = np.random.default_rng(stream_seed(design.stream, "background"))
    kind = generator.integers(4)
    warmth = generator.uniform(-4, 5)
    tint = (
        np.array((255.0, 255.0, 255.0))
        if kind == 0
        else generator.uniform(238, 250) + np.array((1, 0, -1)) * warmth
    )
    steps = np.linspace(-1, 1, size)
    ramp = np.zeros((size, size))
    if kind >= 2:
        slope = generator.uniform(-1, 1, 2)
        ramp = (
            ramp
            + generator.uniform(6, 26) * (slope[0] * steps[None, :] + slope[1] * steps[:, None] - 1.0) / 2
        )
    depth, distance = generator.uniform(0.1, 0.34), generator.uniform(0.01, 0.04, 2) * size
    shadow = np.roll(_blurred(cover, 0.03 * size), (round(distance[0]), round(distance[1])), (0, 1))
    return np.clip(tint + ramp[..., None], 0, 255) * (1 - depth * shadow)[..., None]


def _blurred(cover: np.ndarray, radius: float) -> np.ndarray:
    soft = Image.fromarray(to_bytes(cover * 255)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, np.float32) / 255


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Brightness in [0, 255], rounded, as uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
