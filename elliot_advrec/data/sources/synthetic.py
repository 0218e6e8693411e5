"""A catalog of drawn clothes with labels, split and simulated users: data for tests, demos and CI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.sparse import csr_matrix

from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.garments import FAMILIES, REVISION, SHAPES, TEXTURES, Drawn
from elliot_advrec.data.sources.base import Source
from elliot_advrec.data.taste import simulate
from elliot_advrec.seeding import stream_seed

VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2


class SyntheticConfig(Config):
    """Settings of ``Synthetic``."""

    items: int = Field(2000, ge=10, le=1_000_000)
    """Garments in the catalog."""
    users: int = Field(600, ge=1, le=1_000_000)
    """Simulated users."""
    per_user: tuple[int, int] = (5, 20)
    """Fewest and most interactions of a user."""
    seed: int = 1
    """Decides every garment and every user."""
    categories: int = Field(14, ge=2, le=len(SHAPES))
    """Kinds of garment in use, the easily told ones first."""
    textures: int = Field(18, ge=2, le=len(TEXTURES))
    """Textures in use."""
    colours: int = Field(14, ge=2, le=len(FAMILIES))
    """Colour families in use."""
    mixed: float = Field(0.1, ge=0, le=1)
    """Share of sleeved garments whose sleeves have a texture of their own (and so two labels)."""
    sharpness: float = Field(2.5, ge=0)
    """How firmly users keep to their taste; 0: they ignore it."""
    popularity: float = Field(0.5, ge=0)
    """How long-tailed the items' popularity is, all taste apart; 0: none."""
    cold: float = Field(0.0, ge=0, lt=1)
    """Share of items that are new: nobody has taken one yet."""

    @model_validator(mode="after")
    def _fits(self) -> SyntheticConfig:
        least, most = self.per_user
        if not 1 <= least <= most < self.items:
            raise ValueError(
                f"per_user must be [fewest, most] with 1 <= fewest <= most < items ({self.items}), "
                f"got [{least}, {most}]"
            )
        return self


class Synthetic(Source):
    """Drawn clothes with category, texture and colour, and simulated users who have a taste for them."""

    config_class = SyntheticConfig
    config: SyntheticConfig
    simulated: ClassVar[bool] = True
    """The interactions are drawn from a model of taste, which every report must say."""

    def __init__(self, config: SyntheticConfig, root: Path = Path()) -> None:
        super().__init__(config, root)

    def catalog(self) -> Catalog:
        """All items; 70 % train, 10 % validation, 20 % test at random."""
        c = self.config
        pictures = [
            Drawn(c.seed, row, c.categories, c.textures, c.colours, c.mixed) for row in range(c.items)
        ]
        designs = [picture.design() for picture in pictures]
        categories, names = list(SHAPES)[: c.categories], list(TEXTURES)[: c.textures]
        category = np.array([categories.index(d.category) for d in designs], np.int64)
        colour = np.array([list(FAMILIES).index(d.colour) for d in designs])
        rows = [row for row, d in enumerate(designs) for _ in d.textures]
        columns = [names.index(name) for d in designs for name in d.textures]
        attributes = csr_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(c.items, c.textures))
        width = max(5, len(str(c.items)))
        return Catalog(
            ids=[f"i{row + 1:0{width}d}" for row in range(c.items)],
            category=category,
            categories=categories,
            attributes=attributes,
            attribute_names=names,
            split=_split(c.items, c.seed),
            pictures=pictures,
            taste=_taste(category, attributes, colour, c),
        )

    def interactions(self, catalog: Catalog) -> pd.DataFrame:
        """Simulated; see ``taste.simulate``. ``attrs["simulated"]`` of the frame is True."""
        c = self.config
        return simulate(
            catalog,
            users=c.users,
            per_user=c.per_user,
            seed=c.seed,
            sharpness=c.sharpness,
            popularity=c.popularity,
            cold=c.cold,
        )

    def fingerprint(self) -> dict[str, Any]:
        """The settings and the revision of the drawing code: nothing is read from disk."""
        return {"source": "synthetic", "revision": REVISION, "config": self.config.model_dump(mode="json")}


def _split(items: int, seed: int) -> np.ndarray:
    order = np.random.default_rng(stream_seed(seed, "split")).permutation(items)
    test, validation = round(TEST_SHARE * items), round(VALIDATION_SHARE * items)
    split = np.full(items, "train", dtype="U10")
    split[order[:test]] = "test"
    split[order[test : test + validation]] = "validation"
    return split


def _taste(
    category: np.ndarray, attributes: csr_matrix, colour: np.ndarray, c: SyntheticConfig
) -> np.ndarray:
    """(N, categories + textures + colours) float32; each of the three parts of a row has length one."""
    texture = attributes.toarray().astype(np.float32)
    texture /= np.linalg.norm(texture, axis=1, keepdims=True)
    return np.hstack(
        [
            np.eye(c.categories, dtype=np.float32)[category],
            texture,
            np.eye(c.colours, dtype=np.float32)[colour],
        ]
    )
