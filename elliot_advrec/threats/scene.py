"""The world as a threat sees it: embeddings, catalog, heads, pictures, and the recommender it aims at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.extractors.features import Features
from elliot_advrec.recommenders import Recommender


class Network(Protocol):
    """The parts of an extractor that a threat differentiates through."""

    def embed(self, pixels: Tensor) -> Tensor:
        """(B,3,H,W) in [0,1] -> (B,D)."""
        ...


class Classifier(Protocol):
    """The heads of an extractor."""

    def __call__(self, embedding: Tensor) -> Features:
        """(B,D) -> logits of its heads."""
        ...


class Pixels(Protocol):
    """Pictures by catalog row."""

    def __call__(self, rows: np.ndarray) -> Tensor:
        """(n,) rows -> (n,3,H,W) float32 in [0,1]."""
        ...


@dataclass(frozen=True)
class Scene:
    """What a threat may look at.

    Attributes:
        embeddings: (N,D) of the clean pictures.
        catalog: the N items; None where only embeddings matter.
        classify: the heads, for threats on categories.
        pixels: the clean pictures, for adversaries that copy from them.
        recommender: fitted; None where the threat aims at the extractor alone.
        interactions: what the recommender was fitted on.
        known_only: whether the recommender may recommend items with a training row alone, as in Elliot.
    """

    embeddings: np.ndarray | Tensor
    catalog: Catalog | None = None
    classify: Classifier | None = None
    pixels: Pixels | None = None
    recommender: Recommender | None = None
    interactions: Interactions | None = None
    known_only: bool = False

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def fitted(self) -> tuple[Recommender, Interactions]:
        """The recommender under attack, and what it was fitted on."""
        assert self.recommender is not None
        assert self.interactions is not None
        return self.recommender, self.interactions
