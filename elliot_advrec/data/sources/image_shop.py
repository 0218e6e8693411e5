"""Shops whose images lie in a folder, called by their items' ids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from elliot_advrec.data.pictures import FilePictures
from elliot_advrec.data.sources import tree
from elliot_advrec.data.sources.base import existing
from elliot_advrec.data.sources.shop import Shop, ShopConfig, Shown
from elliot_advrec.errors import UserError


class ImagesConfig(ShopConfig):
    """Filters, and the folder that holds the images."""

    images: Path
    """Folder of images, each called by its item's id with any extension; folders inside are looked into."""


class ImageShop(Shop):
    """A shop whose images lie in a folder, one or more files an item."""

    config: ImagesConfig

    def shown(self) -> Shown:
        """The first file of each item, in the order of names."""
        names = self._names
        place: dict[str, str] = {}
        for name in names:
            place.setdefault(os.path.splitext(os.path.basename(name))[0], name)
        more = len(names) - len(place)
        note = f"{more} images are further ones of an item that has one; the first by name is used"
        return Shown(place, (note,) if more else ())

    def pictures(self, places: Sequence[str]) -> FilePictures:
        """Files below the image folder."""
        return FilePictures(self._root, places)

    def fingerprint(self) -> dict[str, Any]:
        """Settings, and name, size and modification time of every file and image."""
        digest = [str(self._root), len(self._names), tree.digest(self._root, self._names)]
        return {**super().fingerprint(), "pictures": digest}

    @property
    def _root(self) -> Path:
        return existing(self.resolve(self.config.images), folder=True)

    @cached_property
    def _names(self) -> list[str]:
        found = tree.walk(self._root)
        if not found.names:
            raise UserError(
                f"the folder holds no picture ({found.ignored} other files)",
                where=str(self._root),
                remedy="name each image by its item's id, such as B000123456.jpg",
            )
        return found.names
