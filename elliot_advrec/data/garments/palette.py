"""Colours of cloth: named families that users have a taste for, and schemes that textures share."""

from __future__ import annotations

import colorsys

import numpy as np

from elliot_advrec.data.garments.textures import Scheme

FAMILIES: dict[str, tuple[int, int, int]] = {
    "black": (38, 38, 42),
    "white": (242, 240, 236),
    "grey": (138, 140, 146),
    "beige": (214, 192, 158),
    "brown": (116, 74, 46),
    "red": (196, 34, 42),
    "pink": (238, 142, 172),
    "orange": (232, 122, 38),
    "yellow": (240, 202, 62),
    "green": (52, 138, 70),
    "teal": (32, 140, 146),
    "blue": (62, 118, 204),
    "navy": (30, 44, 92),
    "purple": (118, 68, 152),
}
"""The garment's main colour, by name, as 8-bit RGB before jitter."""

_DENIM = ((74, 104, 152), (46, 66, 106), (128, 156, 192), (52, 54, 62))
PALE, BUTTON = (236, 234, 228), (214, 200, 170)


def main_colour(family: str, generator: np.random.Generator) -> np.ndarray:
    """(3,) float in [0, 255]: a shade of ``family``, moved a little in hue, saturation and brightness."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in FAMILIES[family]))
    move = generator.uniform(-1, 1, 3)
    saturation = float(np.clip(saturation * (1 + 0.15 * move[1]), 0, 1))
    value = float(np.clip(value * (1 + 0.1 * move[2]), 0.1, 1))
    return 255 * np.asarray(colorsys.hsv_to_rgb((hue + 0.015 * move[0]) % 1, saturation, value))


def colours(scheme: Scheme, main: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(4, 3) float in [0, 255]: what a tile's four indices look like on a garment of colour ``main``."""
    partners = np.asarray(list(FAMILIES.values()), dtype=float)
    gap = np.abs(_light(partners) - _light(main))
    # A motif must be told from its ground by brightness: colour alone vanishes in a grey picture.
    partners = partners[gap > 62]
    chosen = partners[generator.permutation(len(partners))[:3]]
    if scheme == "pale":
        cream = np.asarray((246, 244, 238), float) if _light(main) < 190 else np.asarray((52, 52, 60), float)
        return np.stack([cream, (cream + main) / 2 if _light(main) < 190 else main * 0.6, main, main])
    if scheme == "tonal":
        darker = main * 0.66 if _light(main) > 60 else main + 46
        return np.stack([main, darker, main * 0.85, main * 1.1])
    if scheme == "camouflage":
        earth = np.asarray((96, 88, 66), float)
        return np.stack([main * 0.6 + 0.4 * earth, main * 0.35 + 0.2 * earth, main * 0.8 + 46, earth * 0.5])
    if scheme == "denim":
        blue = np.asarray(_DENIM, float)[generator.integers(len(_DENIM))]
        ground = 0.5 * blue + 0.5 * main
        return np.stack([ground, ground * 0.78, ground * 1.16 + 8, ground])
    return np.stack([main, *chosen])


def _light(colour: np.ndarray) -> np.ndarray:
    """Brightness (Rec. 601 luma) of (..., 3) colours, in [0, 255]."""
    return colour @ np.asarray((0.299, 0.587, 0.114))
