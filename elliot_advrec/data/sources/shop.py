"""What sources of real shops share: interactions, filtered as papers do, and items with pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.duplicates import MAX_DISTANCE
from elliot_advrec.data.pictures import Picture
from elliot_advrec.data.sources.base import Source, split_by_id, stamp
from elliot_advrec.data.sources.pairs import Pairs, frequent
from elliot_advrec.errors import UserError


class ShopConfig(Config):
    """Filters that every source of a real shop has."""

    min_per_user: int = Field(default=5, ge=1)
    """Users with fewer different items are dropped; papers on these data take 5 (He and McAuley 2016)."""

    min_per_item: int = Field(default=1, ge=1)
    """Items with fewer different users, counted after users were dropped, are dropped."""

    core: bool = False
    """Repeat both until nothing more goes, which gives the k-core; else each is done once."""

    duplicate_distance: int | None = Field(default=None, ge=0, le=MAX_DISTANCE)
    """Drop pictures whose perceptual hash is within this many bits (of 64) of an earlier one's; none keeps
    all."""


@dataclass(frozen=True)
class Labels:
    """What is known of each item that was interacted with.

    Args:
        usable: (items,) bool; the others belong to another part of the shop.
        category: (items,) int64 into ``names``, -1 where unknown.
        names: of the categories, sorted.
        notes: said in every report.
    """

    usable: np.ndarray
    category: np.ndarray
    names: list[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """Where the pictures are.

    Args:
        place: of each item that has a picture, by id: what ``Shop.pictures`` takes.
        notes: said in every report.
    """

    place: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """What the filters left."""

    catalog: Catalog
    frame: pd.DataFrame


class Shop(Source):
    """Interactions of a real shop; items without a picture are dropped, and counted in a note.

    They are dropped before users and items are counted, so that ``min_per_user`` holds for what is used.
    Their rows stay among the interactions of the users that remain: what joins these to the catalog drops
    them with a note, or refuses them under ``strict``.
    """

    config: ShopConfig

    @abstractmethod
    def pairs(self) -> Pairs:
        """All interactions of the raw files."""

    @abstractmethod
    def shown(self) -> Shown:
        """Which items have a picture, and where."""

    @abstractmethod
    def pictures(self, places: Sequence[Any]) -> Sequence[Picture]:
        """Readers of the pictures at ``places``."""

    @abstractmethod
    def files(self) -> list[Path]:
        """Every file that is read, pictures aside; those need not exist."""

    def labels(self, items: Sequence[str]) -> Labels:
        """No categories, unless a subclass knows them."""
        return Labels(np.ones(len(items), bool), np.full(len(items), -1, np.int64), [])

    def catalog(self) -> Catalog:
        """Items that remain, sorted by id; see ``Source.catalog``."""
        return self._chosen.catalog

    def interactions(self, catalog: Catalog) -> pd.DataFrame:
        """Rows of the users that remain; see ``Source.interactions``."""
        return self._chosen.frame

    def fingerprint(self) -> dict[str, Any]:
        """Settings, and name, size and modification time of every file."""
        return {
            "config": self.config.model_dump(mode="json"),
            "files": [stamp(path) for path in self.files()],
        }

    @cached_property
    def _chosen(self) -> Chosen:
        pairs = self.pairs()
        labels, shown = self.labels(pairs.items), self.shown()
        pictured = np.fromiter((item in shown.place for item in pairs.items), bool, len(pairs.items))
        wanted, config = labels.usable, self.config
        if not wanted.any():
            raise UserError("no item is left", where=self._named(), remedy="; ".join(labels.notes) or None)
        if not (wanted & pictured).any():
            item = pairs.items[int(np.argmax(wanted))]
            held = (
                f"the images are called like '{next(iter(shown.place))}'" if shown.place else "there is none"
            )
            raise UserError(
                f"no item has an image; the items are called like '{item}', {held}",
                where=self._named(),
                remedy="name each image by its item's id",
            )
        kept = frequent(pairs, wanted & pictured, config.min_per_user, config.min_per_item, config.core)
        if not kept.any():
            raise UserError(
                f"the filters leave nothing: no user has {config.min_per_user} items that "
                f"{config.min_per_item} users share",
                where=self._named(),
                remedy="lower min_per_user or min_per_item",
            )
        codes = np.unique(pairs.item[kept])
        codes = codes[np.argsort(np.array(pairs.items, object)[codes])]
        ids = [pairs.items[code] for code in codes]
        users = np.zeros(len(pairs.users), bool)
        users[pairs.user[kept]] = True
        bare = users[pairs.user] & (wanted & ~pictured)[pairs.item]
        catalog = Catalog(
            ids=ids,
            category=labels.category[codes],
            categories=labels.names,
            attributes=None,
            attribute_names=[],
            split=split_by_id(ids),
            pictures=self.pictures([shown.place[item] for item in ids]),
            notes=[
                *pairs.notes,
                *labels.notes,
                *shown.notes,
                *_imageless(pairs, wanted, pictured),
                f"filters (min_per_user {config.min_per_user}, min_per_item {config.min_per_item}"
                f"{', k-core' if config.core else ''}) left {users.sum()} of {len(pairs.users)} users, "
                f"{len(ids)} of {len(pairs.items)} items and {kept.sum()} of {len(pairs)} interactions",
                "no splits are given: 70 % train, 10 % validation, 20 % test by a hash of the id",
            ],
            duplicate_distance=config.duplicate_distance,
        )
        return Chosen(catalog, pairs.frame(kept | bare))

    def _named(self) -> str:
        return str(self.files()[0])


def _imageless(pairs: Pairs, wanted: np.ndarray, pictured: np.ndarray) -> list[str]:
    bare = wanted & ~pictured
    if not bare.any():
        return []
    first = pairs.items[int(np.argmax(bare))]
    return [
        f"{bare.sum()} of {wanted.sum()} items were dropped because they have no image (first: '{first}')"
    ]
