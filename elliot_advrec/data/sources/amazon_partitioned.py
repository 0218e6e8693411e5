"""Amazon and Tradesy as DVBPR packs them: interactions and images in one ``*ImgPartitioned.npy``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.features.partitioned import PARTS, Partitioned, read_partitioned
from elliot_advrec.data.features.plain_values import Blob
from elliot_advrec.data.images import decode
from elliot_advrec.data.sources.pairs import Pairs
from elliot_advrec.data.sources.shop import Labels, Shop, ShopConfig, Shown


class PartitionedConfig(ShopConfig):
    """Settings of the DVBPR source."""

    file: Path
    """E.g. ``AmazonMenWithImgPartitioned.npy``; a pickle, read without executing it."""


@dataclass(frozen=True)
class PackedPicture:
    """A JPEG inside a larger file.

    Args:
        path: the file.
        offset: of the first byte.
        length: in bytes.
        item: for messages.
    """

    path: str
    offset: int
    length: int
    item: str

    def load(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB; raises ``BadImage``."""
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:  # the one decoder reads files
            with open(self.path, "rb") as stream:
                file.write(Blob(self.offset, self.length).read(stream))
            file.flush()
            try:
                return decode(file.name, size)
            except BadImage as error:
                raise BadImage(f"{self.path}: item {self.item}", error.reason) from error


class DVBPR(Shop):
    """Amazon or Tradesy in one *ImgPartitioned.npy of DVBPR: numbered users and items, and JPEG images."""

    config_class = PartitionedConfig
    config: PartitionedConfig

    def pairs(self) -> Pairs:
        """The rows of all three parts, rating 1; the file's own split and times are not kept."""
        held = self._held
        rows = np.concatenate([held.parts[name] for name in PARTS])
        return Pairs(
            [str(user) for user in range(held.users)],
            [str(item) for item in range(held.items)],
            rows[:, 0],
            rows[:, 1],
            np.ones(len(rows)),
            None,
        )

    def labels(self, items: Sequence[str]) -> Labels:
        """Categories by number, where the file has them."""
        category = self._held.category
        names = [f"category {number}" for number in range(int(category.max(initial=-1)) + 1)]
        return Labels(np.ones(len(items), bool), category, names)

    def shown(self) -> Shown:
        """The place of each JPEG inside the file."""
        return Shown({str(item): (item, blob) for item, blob in self._held.images.items()})

    def pictures(self, places: Sequence[Any]) -> list[PackedPicture]:
        """Readers of the JPEGs."""
        path = str(self.files()[0])
        return [PackedPicture(path, blob.offset, blob.length, str(item)) for item, blob in places]

    def files(self) -> list[Path]:
        """The one file."""
        return [self.resolve(self.config.file)]

    @cached_property
    def _held(self) -> Partitioned:
        return read_partitioned(self.files()[0])
