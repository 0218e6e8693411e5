"""Amazon: reviews or ratings, metadata and images as McAuley's group publishes them.

He, McAuley: Ups and Downs: Modeling the Visual Evolution of Fashion Trends with One-Class Collaborative
Filtering, WWW 2016 (the dumps of 2014); Ni, Li, McAuley, EMNLP 2019 (2018); Hou et al. 2024 (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from elliot_advrec.data.sources.amazon_metadata import read_labels
from elliot_advrec.data.sources.amazon_reviews import read_pairs
from elliot_advrec.data.sources.image_shop import ImagesConfig, ImageShop
from elliot_advrec.data.sources.pairs import Pairs
from elliot_advrec.data.sources.shop import Labels


class AmazonConfig(ImagesConfig):
    """Settings of the Amazon source."""

    interactions: Path
    """Reviews, one JSON record (or Python literal) a line, or a CSV of user, item, rating, timestamp; .gz or
    plain. Files of 2014, 2018 and 2023 are told apart by their keys."""

    metadata: Path | None = None
    """Records of the items, one a line; needed for categories."""

    within: tuple[str, ...] = ()
    """Use only items of which a category path begins so, e.g. ``Clothing, Shoes & Jewelry > Men``."""

    label_depth: int = Field(default=2, ge=1)
    """How many names of a category path, below what ``within`` names, make the item's category."""

    @model_validator(mode="after")
    def _paths_need_metadata(self) -> AmazonConfig:
        if self.within and self.metadata is None:
            raise ValueError("'within' needs 'metadata', which holds the categories")
        return self


class Amazon(ImageShop):
    """Amazon: reviews (JSON lines) or ratings (CSV), metadata with categories, images by item id."""

    config_class = AmazonConfig
    config: AmazonConfig

    def pairs(self) -> Pairs:
        """The reviews or ratings."""
        return read_pairs(self.files()[0])

    def labels(self, items: Sequence[str]) -> Labels:
        """Categories, where there is metadata."""
        if self.config.metadata is None:
            return super().labels(items)
        return read_labels(self.files()[1], items, self.config.within, self.config.label_depth)

    def files(self) -> list[Path]:
        """The interactions, and the metadata if any."""
        named = (self.config.interactions, self.config.metadata)
        return [self.resolve(path) for path in named if path is not None]
