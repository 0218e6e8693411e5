"""A garment as a picture of a catalog; free of torch, so that decoding processes start fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elliot_advrec.data.garments.design import Design, design
from elliot_advrec.data.garments.draw import picture


@dataclass(frozen=True)
class Drawn:
    """A picture that is drawn when it is asked for; small, picklable, the same in every process.

    Args:
        seed, row, categories, textures, colours, mixed: what ``design`` takes.
    """

    seed: int
    row: int
    categories: int
    textures: int
    colours: int
    mixed: float

    def design(self) -> Design:
        """What the picture shows."""
        return design(
            self.seed,
            self.row,
            categories=self.categories,
            textures=self.textures,
            colours=self.colours,
            mixed=self.mixed,
        )

    def load(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB."""
        return picture(self.design(), size)
