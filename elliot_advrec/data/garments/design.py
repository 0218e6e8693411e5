"""What one garment looks like, decided by its stream alone and before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elliot_advrec.data.garments.palette import FAMILIES
from elliot_advrec.data.garments.shapes import SHAPES
from elliot_advrec.data.garments.textures import TEXTURES
from elliot_advrec.seeding import stream_seed

REVISION = 1
"""Raised whenever the same stream would give another picture, so that cached pixels are drawn anew."""


@dataclass(frozen=True)
class Design:
    """The labels of a garment and the stream of everything else about it.

    Args:
        category: a key of ``SHAPES``.
        textures: one key of ``TEXTURES`` for the whole garment, or two: body, then sleeves.
        colour: a key of ``FAMILIES``, the main colour.
        stream: seed of its cut, shades, pose, folds and background.
    """

    category: str
    textures: tuple[str, ...]
    colour: str
    stream: int


_HAS_SLEEVES = frozenset({"t-shirt", "shirt", "sweater", "hoodie", "coat"})


def design(
    seed: int, row: int, *, categories: int, textures: int, colours: int, mixed: float = 0.0
) -> Design:
    """The garment of ``row``: drawn from ``stream_seed(seed, row)``, whatever else is drawn and in any order.

    Args:
        seed: of the catalog.
        row: of the item, at least 0.
        categories, textures, colours: how many of the known ones are in use, counted from the first.
        mixed: share in [0, 1] of garments with sleeves whose sleeves have a texture of their own.
    """
    stream = stream_seed(seed, row)
    generator = np.random.default_rng(stream)
    category = list(SHAPES)[generator.integers(categories)]
    first, second = (list(TEXTURES)[index] for index in generator.integers(textures, size=2))
    colour = list(FAMILIES)[generator.integers(colours)]
    both = generator.random() < mixed and category in _HAS_SLEEVES and first != second
    return Design(category, (first, second) if both else (first,), colour, stream)
