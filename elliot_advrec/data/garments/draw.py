"""From a design to pixels: pose, cloth, seams, and the light on them.

Outlines and textures are drawn at twice the size and averaged down; light and shadow are smooth and are
computed at the final size. Every random number is drawn before the size matters, so a garment looks the
same at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from elliot_advrec.data.garments.design import Design
from elliot_advrec.data.garments.geometry import Garment, Part
from elliot_advrec.data.garments.light import background, light_on, to_bytes
from elliot_advrec.data.garments.palette import BUTTON, PALE, colours, main_colour
from elliot_advrec.data.garments.shapes import SHAPES
from elliot_advrec.data.garments.textures import TEXTURES, TILE, tile
from elliot_advrec.seeding import stream_seed

_OVERSAMPLING = 2
_TRIM, _INSIDE, _PALE, _BUTTON = 9, 10, 11, 12
_PLAIN = {"trim": _TRIM, "inside": _INSIDE, "pale": _PALE, "button": _BUTTON}


@dataclass(frozen=True)
class _Pose:
    """Maps garment units to the unit square and back: turn, size, place."""

    matrix: np.ndarray
    shift: np.ndarray

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> _Pose:
        turn = np.radians(generator.normal(0, 4.5))
        scale, flip = generator.uniform(0.78, 0.94), generator.choice([-1.0, 1.0])
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return cls(rotation @ np.diag([flip * scale, scale]) / 2, 0.5 + generator.uniform(-0.035, 0.035, 2))

    def place(self, points: np.ndarray, side: int) -> list[tuple[float, float]]:
        """Garment units (P, 2) -> pixels of a picture of ``side``."""
        return [(float(x), float(y)) for x, y in (points @ self.matrix.T + self.shift) * side]


@dataclass(frozen=True)
class _Cloth:
    """A tile and how it lies on the garment: span in garment units, place of its corner."""

    tile: np.ndarray
    span: tuple[float, float]
    phase: np.ndarray
    first: int  # row of the palette that tile index 0 means

    def lookup(self, pose: _Pose, part: Part, box: tuple[int, int, int, int], side: int) -> np.ndarray:
        """Palette rows (h, w) of the pixels in ``box`` (left, top, right, bottom)."""
        cos, sin = np.cos(part.grain), np.sin(part.grain)
        turn = np.array([[cos, sin], [-sin, cos]]) / np.array(self.span)[:, None]
        back = turn @ np.linalg.inv(pose.matrix)
        left, top, right, bottom = box
        x = ((np.arange(left, right) + 0.5) / side - pose.shift[0]).astype(np.float32)
        y = ((np.arange(top, bottom) + 0.5) / side - pose.shift[1]).astype(np.float32)
        rows = []
        for axis in range(2):
            along = (back[axis, 0] * x + self.phase[axis]) * TILE
            across = back[axis, 1] * y * TILE
            rows.append(np.floor(along[None, :] + across[:, None]).astype(np.int32) & (TILE - 1))
        return self.tile[rows[1], rows[0]] + np.uint8(self.first)


def cutout(design: Design, size: int) -> np.ndarray:
    """The garment alone: (size, size, 4) uint8 RGBA, colours not premultiplied."""
    colour, cover = _garment(design, size)
    return np.concatenate([_unmultiplied(colour, cover), to_bytes(cover * 255)[..., None]], axis=2)


def picture(design: Design, size: int) -> np.ndarray:
    """The garment on a studio background with its shadow: (size, size, 3) uint8 RGB."""
    colour, cover = _garment(design, size)
    ground = background(design, size, cover)
    return to_bytes(colour + ground * (1 - cover)[..., None])


def _garment(design: Design, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied colour (size, size, 3) in [0, 255] and cover (size, size) in [0, 1]."""
    generator = np.random.default_rng(stream_seed(design.stream, "garment"))
    shape = SHAPES[design.category](generator)
    pose = _Pose.drawn(generator)
    palette, cloths = _dye(design, generator)
    side = size * _OVERSAMPLING
    labels, ink = _trace(shape, pose, side)
    index = _fill(shape.parts, labels, pose, cloths, side)
    flat = Image.fromarray(palette[index]).reduce(_OVERSAMPLING)
    cover = (
        np.asarray(Image.fromarray((labels > 0).astype(np.uint8) * 255).reduce(_OVERSAMPLING), np.float32)
        / 255
    )
    light = np.asarray(ink.reduce(_OVERSAMPLING), np.float32) / 255
    light *= light_on(generator, cover, size)
    return np.clip(np.asarray(flat, np.float32) * light[..., None], 0, 255 * cover[..., None]), cover


def _dye(design: Design, generator: np.random.Generator) -> tuple[np.ndarray, dict[str, _Cloth]]:
    """The palette (13, 3) uint8 and the cloth of body and sleeves."""
    main = main_colour(design.colour, generator)
    palette = np.zeros((13, 3))
    cloths: dict[str, _Cloth] = {}
    for place, (name, fill) in enumerate(zip((design.textures * 2)[:2], ("cloth", "sleeve"), strict=True)):
        texture = TEXTURES[name]
        if place == 1 and len(design.textures) == 1:
            cloths[fill] = cloths["cloth"]
            continue
        palette[1 + 4 * place : 5 + 4 * place] = colours(texture.scheme, main, generator)
        span = texture.span * generator.uniform(0.85, 1.2)
        phase = generator.random(2)
        cloths[fill] = _Cloth(tile(name, generator), (span, span * texture.aspect), phase, 1 + 4 * place)
    pale = TEXTURES[design.textures[0]].scheme == "pale"
    ground = palette[3] if pale else palette[1]
    trim = (ground * 0.72, ground * 0.9, palette[2])[generator.integers(3)]
    palette[_TRIM], palette[_INSIDE] = trim, ground * 0.42
    palette[_PALE], palette[_BUTTON] = PALE, BUTTON
    return to_bytes(palette), cloths


def _trace(shape: Garment, pose: _Pose, side: int) -> tuple[np.ndarray, Image.Image]:
    """Which part covers each pixel (1 + its place, 0 for none), and the brightness of parts and seams."""
    labels, ink = Image.new("L", (side, side), 0), Image.new("L", (side, side), 255)
    paint, shade = ImageDraw.Draw(labels), ImageDraw.Draw(ink)
    stroke = max(1, round(side / 110))
    for place, part in enumerate(shape.parts, 1):
        corners = pose.place(part.points, side)
        paint.polygon(corners, fill=place)
        shade.polygon(corners, fill=round(255 * part.shade))
        if part.edge:
            shade.line([*corners, corners[0]], fill=round(150 * part.shade), width=stroke)
    for seam in shape.seams:
        width = max(1, round(seam.width * side / 2.3))
        shade.line(pose.place(seam.points, side), fill=round(255 * seam.shade), width=width)
    return np.asarray(labels), ink


def _fill(
    parts: list[Part], labels: np.ndarray, pose: _Pose, cloths: dict[str, _Cloth], side: int
) -> np.ndarray:
    """Palette rows (side, side) uint8."""
    rows = np.array([0, *(_PLAIN.get(part.fill, 0) for part in parts)], np.uint8)
    index = rows[labels]
    for place, part in enumerate(parts, 1):
        if part.fill not in cloths:
            continue
        corners = np.asarray(pose.place(part.points, side))
        left, top = np.clip(np.floor(corners.min(0)), 0, side).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(0)) + 1, 0, side).astype(int)
        if left >= right or top >= bottom:
            continue
        inside = labels[top:bottom, left:right] == place
        woven = cloths[part.fill].lookup(pose, part, (left, top, right, bottom), side)
        np.copyto(index[top:bottom, left:right], woven, where=inside)
    return index


def _unmultiplied(colour: np.ndarray, cover: np.ndarray) -> np.ndarray:
    return to_bytes(colour / np.maximum(cover, 1e-3)[..., None])
