"""Pictures without files. Free of torch, so that worker processes of the tests start fast."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from elliot_advrec.data.bad_images import BadImage


@dataclass(frozen=True)
class Flat:
    """A picture of one grey; negative: a bad one."""

    value: int

    def load(self, size: int) -> np.ndarray:
        if self.value < 0:
            raise BadImage(f"flat{self.value}.png", "the file is empty")
        return np.full((size, size, 3), self.value, np.uint8)


@dataclass(frozen=True)
class Noise:
    """A picture decided by its seed."""

    seed: int

    def load(self, size: int) -> np.ndarray:
        return np.random.default_rng(self.seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Deadly:
    """A picture that takes its process along."""

    def load(self, size: int) -> NoReturn:
        os._exit(1)
