"""DeepFashion, Category and Attribute Prediction: 289,222 pictures, 50 categories, 156 textures.

Liu, Luo, Qiu, Wang, Tang: DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich
Annotations, CVPR 2016. The files are read as the archive lays them out; the user brings the archive.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from elliot_advrec.component import Config
from elliot_advrec.data.catalog import SPLITS, Catalog
from elliot_advrec.data.duplicates import MAX_DISTANCE
from elliot_advrec.data.pictures import FilePictures
from elliot_advrec.data.sources import listings
from elliot_advrec.data.sources.base import Source, existing, hashed, stamp
from elliot_advrec.data.sources.tree import digest
from elliot_advrec.errors import UserError

ANNOTATION_FOLDERS = ("Anno_coarse", "Anno")
PICTURE_FOLDERS = ("Img", ".")


class DeepFashionConfig(Config):
    """Settings of the DeepFashion source."""

    root: Path
    """Folder of the unpacked archive: holds Anno (or Anno_coarse), Eval and Img/img (or img)."""

    textures: bool = True
    """Read the 156 texture attributes; without them only categories are known."""

    require_texture: bool | None = None
    """Drop pictures that have no texture label; unless said, where textures are read."""

    boxes: bool = True
    """Show only the garment of each picture, by its bounding box."""

    duplicates: Literal["drop", "keep"] = "drop"
    """What becomes of near-duplicate pictures: the first of each group is kept, or all are."""

    duplicate_distance: int = Field(default=2, ge=0, le=MAX_DISTANCE)
    """Bits (of 64) that the perceptual hashes of near-duplicates may differ in."""

    limit: int | None = Field(default=None, ge=1)
    """At most this many pictures of each split, chosen by a hash of the id; none takes all."""

    @model_validator(mode="after")
    def _consistent(self) -> DeepFashionConfig:
        if self.require_texture and not self.textures:
            raise ValueError("require_texture needs textures: true")
        if self.duplicates == "keep" and "duplicate_distance" in self.model_fields_set:
            raise ValueError("duplicate_distance means nothing with duplicates: keep")
        return self


class DeepFashion(Source):
    """DeepFashion Category and Attribute Prediction: 289,222 pictures with categories, textures and boxes."""

    config_class = DeepFashionConfig
    config: DeepFashionConfig

    def catalog(self) -> Catalog:
        """Labels, splits and boxes from the list files; see ``Source.catalog``."""
        anno, config = self._annotations(), self.config
        names = listings.categories(anno / "list_category_cloth.txt")
        pictures, category = listings.pictures(anno / "list_category_img.txt", len(names))
        if not pictures:
            raise UserError("the file lists no picture", where=str(anno / "list_category_img.txt"))
        rows = {name: row for row, name in enumerate(pictures)}
        textures, texture_names = None, []
        if config.textures:
            every, columns = listings.attributes(anno / "list_attr_cloth.txt")
            texture_names = [every[column] for column in columns]
            textures = listings.positives(anno / "list_attr_img.txt", rows, len(every), columns)
        catalog = Catalog(
            ids=_ids(pictures, anno / "list_category_img.txt"),
            category=category,
            categories=names,
            attributes=textures,
            attribute_names=texture_names,
            split=listings.partition(self._partition(), rows),
            pictures=FilePictures(
                self._pictures_root(),
                pictures,
                listings.boxes(anno / "list_bbox.txt", rows) if config.boxes else None,
            ),
            duplicate_distance=config.duplicate_distance if config.duplicates == "drop" else None,
        )
        return self._limited(self._textured(catalog))

    def interactions(self, catalog: Catalog) -> pd.DataFrame | None:
        """None: DeepFashion has no users."""
        return None

    def fingerprint(self) -> dict[str, Any]:
        """Settings, the list files, and name, size and modification time of every picture listed."""
        anno = self._annotations()
        read = ["list_category_cloth.txt", "list_category_img.txt"]
        read += ["list_attr_cloth.txt", "list_attr_img.txt"] if self.config.textures else []
        read += ["list_bbox.txt"] if self.config.boxes else []
        n_categories = len(listings.categories(anno / "list_category_cloth.txt"))
        names, _ = listings.pictures(anno / "list_category_img.txt", n_categories)
        root = self._pictures_root()
        return {
            "config": self.config.model_dump(mode="json"),
            "lists": [stamp(anno / name) for name in read] + [stamp(self._partition())],
            "pictures": [str(root), len(names), digest(root, names)],
        }

    def _archive(self) -> Path:
        return existing(self.resolve(self.config.root), folder=True)

    def _annotations(self) -> Path:
        root = self._archive()
        for name in ANNOTATION_FOLDERS:
            if (root / name / "list_category_img.txt").is_file():
                return root / name
        raise UserError(
            "there is no Anno/list_category_img.txt (nor Anno_coarse/list_category_img.txt)",
            where=str(root),
            remedy="name the folder of the unpacked 'Category and Attribute Prediction Benchmark'",
        )

    def _partition(self) -> Path:
        return existing(self._archive() / "Eval" / "list_eval_partition.txt", folder=False)

    def _pictures_root(self) -> Path:
        """The folder that the listed names, which begin with ``img/``, start from."""
        root = self._archive()
        for name in PICTURE_FOLDERS:
            if (root / name / "img").is_dir():
                return root / name
        packed = [name for name in ("Img/img.zip", "img.zip") if (root / name).is_file()]
        raise UserError(
            "there is no folder Img/img",
            where=str(root),
            remedy=f"unpack {packed[0]}" if packed else "put the archive's pictures there",
        )

    def _textured(self, catalog: Catalog) -> Catalog:
        wanted = self.config.textures if self.config.require_texture is None else self.config.require_texture
        if not wanted or catalog.attributes is None:
            return catalog
        labelled = np.diff(catalog.attributes.indptr) > 0
        if labelled.all():
            return catalog
        if not labelled.any():
            raise UserError(
                "no picture has a texture label", where=str(self._annotations() / "list_attr_img.txt")
            )
        return catalog.keep(
            labelled,
            f"{int((~labelled).sum())} of {len(catalog)} items were dropped: they have no texture label",
        )

    def _limited(self, catalog: Catalog) -> Catalog:
        limit = self.config.limit
        if limit is None:
            return catalog
        order = np.array([hashed(item) for item in catalog.ids], np.uint64)
        chosen = []
        for split in SPLITS:
            rows = catalog.rows_of(split)
            chosen.append(rows[np.argsort(order[rows], kind="stable")[:limit]])
        kept = np.sort(np.concatenate(chosen))
        if len(kept) == len(catalog):
            return catalog
        return catalog.keep(
            kept, f"limit: {len(kept)} of {len(catalog)} items are used, at most {limit} a split"
        )


def _ids(names: list[str], path: Path) -> list[str]:
    """Item ids: the picture's name without ``img/`` and its extension."""
    ids = [str(PurePosixPath(name.removeprefix("img/")).with_suffix("")) for name in names]
    if len(set(ids)) != len(ids):
        raise UserError("two pictures differ in their extension alone", where=str(path))
    return ids
