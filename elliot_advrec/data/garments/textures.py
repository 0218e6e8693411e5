"""Eighteen cloth textures as small seamless tiles of palette indices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

TILE = 128
"""Side of a tile in pixels; a power of two, so that wrapping is a bit mask."""

Scheme = Literal["contrast", "tonal", "pale", "camouflage", "denim"]
Tile = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Texture:
    """How a texture is drawn.

    Args:
        tile: (u, v, generator) -> integers in {0, 1, 2, 3} that broadcast to (TILE, TILE); u is (1, TILE) and
            v is (TILE, 1), both in (0, 1).
        span: width of one tile in garment units.
        aspect: height of one tile over its width.
        scheme: which colours the four indices get (see ``palette.colours``).
    """

    tile: Tile
    span: float
    aspect: float = 1.0
    scheme: Scheme = "contrast"


def tile(name: str, generator: np.random.Generator) -> np.ndarray:
    """(TILE, TILE) uint8 in {0, 1, 2, 3}: ``name`` with the generator's own widths, gaps and places."""
    steps = (np.arange(TILE, dtype=np.float32) + 0.5) / TILE
    made = TEXTURES[name].tile(steps[None, :], steps[:, None], generator)
    return np.broadcast_to(made, (TILE, TILE)).astype(np.uint8)


def _plain(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.zeros((TILE, TILE), np.uint8)


def _across(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return v < generator.uniform(0.35, 0.55)


def _down(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return u < generator.uniform(0.3, 0.5)


def _slanted(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    side = generator.choice([-1, 1])
    return (u + side * v) % 1 < generator.uniform(0.35, 0.5)


def _dotted(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    radius = generator.uniform(0.17, 0.22)
    near = _wrapped(u - 0.25) ** 2 + _wrapped(v - 0.25) ** 2
    far = _wrapped(u - 0.75) ** 2 + _wrapped(v - 0.75) ** 2
    return np.minimum(near, far) < radius**2


def _checked(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (u < 0.5) ^ (v < 0.5)


def _gingham(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (u < 0.5).astype(np.uint8) + (v < 0.5)


def _tartan(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    wide, thin = generator.uniform(0.25, 0.4), generator.uniform(0.06, 0.1)

    def sett(t: np.ndarray) -> np.ndarray:
        return np.where(np.abs(t - 0.3) < wide / 2, 1, np.where(np.abs(t - 0.75) < thin / 2, 2, 0))

    # Threads of both directions cross over and under, two by two, as in a real twill.
    return np.where((u * 16 + v * 16) % 2 < 1, sett(u), sett(v))


def _houndstooth(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    # Four dark and four light threads each way in a 2/2 twill: that weave is the houndstooth.
    return 2 * np.where((u * 8 + v * 8) % 4 < 2, u < 0.5, v < 0.5)


def _chevron(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (v + 0.6 * np.abs(2 * u - 1)) % 1 < generator.uniform(0.42, 0.55)


def _zigzag(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    peak = np.abs(4 * u % 2 - 1)
    first = np.abs(v - 0.15 - 0.26 * peak) < 0.07
    second = np.abs(v - 0.65 - 0.26 * peak) < 0.035
    return first + 2 * second


def _argyle(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    diamond = np.abs(2 * u - 1) + np.abs(2 * v - 1) < 1
    stitch = (np.abs(_wrapped(u - v + 0.5)) < 0.025) | (np.abs(_wrapped(u + v + 0.5)) < 0.025)
    return np.where(stitch, 2, diamond)


def _floral(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    drawn = np.zeros((TILE, TILE), np.uint8)
    for x, y in _scattered(generator, 3):
        size, turn = generator.uniform(0.11, 0.17), generator.uniform(0, 2 * np.pi)
        dx, dy = _wrapped(u - x), _wrapped(v - y)
        radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx) + turn
        leaf = (radius < 1.5 * size) & (np.cos(2 * angle + 1) > 0.86) & (radius > 0.5 * size)
        drawn[leaf] = 3
        drawn[radius < size * (0.72 + 0.38 * np.cos(5 * angle))] = 1
        drawn[radius < size * 0.34] = 2
    return drawn


def _paisley(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    drawn = np.zeros((TILE, TILE), np.uint8)
    for x, y, side in ((0.25, 0.25, 1), (0.75, 0.75, -1)):
        # A comma: discs that shrink along a bent line, once for the body and once, smaller, for its core.
        for level, girth in ((1, 1.0), (2, 0.62), (1, 0.3)):
            for t in np.linspace(0, 1 if level == 1 and girth == 1 else 0.55, 7):
                radius = girth * 0.17 * (1 - 0.86 * t)
                dx = _wrapped(u - x - side * (0.16 * t * t - 0.02))
                dy = _wrapped(v - y - 0.09 + 0.32 * t)
                drawn[dx * dx + dy * dy < radius * radius] = level
    for x, y in ((0.75, 0.22), (0.25, 0.75)):
        drawn[_wrapped(u - x) ** 2 + _wrapped(v - y) ** 2 < 0.05**2] = 3
    return drawn


def _camouflage(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    drawn = np.zeros((TILE, TILE), np.uint8)
    for level, threshold in ((1, 0.25), (2, 0.55), (3, 1.1)):
        drawn[_noise(u, v, generator) > threshold] = level
    return drawn


def _leopard(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    drawn = np.zeros((TILE, TILE), np.uint8)
    for x, y in _scattered(generator, 4):
        size, turn = generator.uniform(0.075, 0.11), generator.uniform(0, 2 * np.pi)
        dx, dy = _wrapped(u - x), _wrapped(v - y) * generator.uniform(0.8, 1.3)
        radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        ring = (radius < size) & (radius > 0.55 * size) & (np.cos(angle - turn) < 0.75)
        drawn[radius <= 0.55 * size] = 2
        drawn[ring] = 1
    return drawn


def _denim(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    twill = (u * 8 + v * 8) % 1 < 0.4
    worn = generator.random((TILE, TILE)) < 0.12
    return np.where(worn, 2, twill)


def _knit(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    column = 3 * u % 1
    stitch = (3 * v + 0.7 * np.abs(2 * column - 1)) % 1 < 0.34
    return stitch | (np.abs(column - 0.5) > 0.44)


def _wrapped(distance: np.ndarray) -> np.ndarray:
    """Distances on a ring of length one, in [-0.5, 0.5]."""
    return distance - np.rint(distance)


def _scattered(generator: np.random.Generator, cells: int) -> list[tuple[float, float]]:
    """``cells`` squared places, one a cell of a jittered grid, so that motifs neither clump nor line up."""
    jitter = generator.uniform(0.25, 0.75, (cells, cells, 2))
    return [
        (
            (column + (row % 2) / 2 + float(jitter[row, column, 0])) / cells,
            (row + float(jitter[row, column, 1])) / cells,
        )
        for row in range(cells)
        for column in range(cells)
    ]


def _noise(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A seamless cloudy field of about unit variance: waves of whole frequencies, so that it wraps."""
    field = np.zeros((TILE, TILE), np.float32)
    for _ in range(9):
        fx, fy = generator.integers(-3, 4, 2)
        if fx == fy == 0:
            fx = 2
        field += np.cos(2 * np.pi * (fx * u + fy * v + generator.random())).astype(np.float32)
    return field / np.sqrt(4.5)


TEXTURES: dict[str, Texture] = {
    "plain": Texture(_plain, 1.0),
    "horizontal stripes": Texture(_across, 0.24),
    "vertical stripes": Texture(_down, 0.2),
    "diagonal stripes": Texture(_slanted, 0.28),
    "dotted": Texture(_dotted, 0.3),
    "checked": Texture(_checked, 0.3),
    "gingham": Texture(_gingham, 0.2, scheme="pale"),
    "tartan": Texture(_tartan, 0.5),
    "houndstooth": Texture(_houndstooth, 0.3, scheme="pale"),
    "chevron": Texture(_chevron, 0.34, 0.75),
    "zigzag": Texture(_zigzag, 0.44),
    "argyle": Texture(_argyle, 0.36, 1.5),
    "floral": Texture(_floral, 0.95),
    "paisley": Texture(_paisley, 0.56, 1.15),
    "camouflage": Texture(_camouflage, 0.9, scheme="camouflage"),
    "leopard": Texture(_leopard, 0.8),
    "denim": Texture(_denim, 0.4, scheme="denim"),
    "knit": Texture(_knit, 0.42, scheme="tonal"),
}
"""Every texture by name; the order is the order of a catalog's attributes."""
