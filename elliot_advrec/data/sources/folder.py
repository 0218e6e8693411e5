"""A folder of pictures, or a manifest that names them, with the user's own interactions if there are any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pydantic import Field, model_validator

from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.duplicates import MAX_DISTANCE
from elliot_advrec.data.pictures import FilePictures
from elliot_advrec.data.sources import tree
from elliot_advrec.data.sources.base import Source, existing, inside, split_by_id, stamp
from elliot_advrec.data.sources.tables import read_manifest
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError, nearest


class FolderConfig(Config):
    """Settings of the folder source; at least one of ``images`` and ``manifest``."""

    images: Path | None = None
    """Folder of pictures: split/category/file, category/file or bare files. With a manifest: the folder its
    paths start from (by default the manifest's own)."""

    manifest: Path | None = None
    """Table with the columns item, path and optionally category, attributes (separated by |) and split.
    Comma-separated when it ends in .csv, else tab-separated. Only the pictures it names are used."""

    interactions: Path | None = None
    """Elliot's tab-separated file of user, item, rating, timestamp, header optional; none: none are known."""

    duplicate_distance: int | None = Field(default=None, ge=0, le=MAX_DISTANCE)
    """Drop pictures whose perceptual hash is within this many bits (of 64) of an earlier one's; none keeps
    all."""

    @model_validator(mode="after")
    def _some_pictures(self) -> FolderConfig:
        if self.images is None and self.manifest is None:
            raise ValueError("name a folder of 'images', a 'manifest', or both")
        return self


class Folder(Source):
    """Your own pictures: a folder of them or a manifest, with your interactions if you have any."""

    config_class = FolderConfig
    config: FolderConfig

    def catalog(self) -> Catalog:
        """Labels from folder names or from the manifest; see ``Source.catalog``."""
        return (
            self._from_tree() if self.config.manifest is None else self._from_manifest(self.config.manifest)
        )

    def interactions(self, catalog: Catalog) -> pd.DataFrame | None:
        """The user's own interactions; see ``Source.interactions``."""
        if self.config.interactions is None:
            return None
        return read(existing(self.resolve(self.config.interactions), folder=False))

    def fingerprint(self) -> dict[str, Any]:
        """Settings, and name, size and modification time of every file that is read."""
        seen: dict[str, Any] = {"config": self.config.model_dump(mode="json")}
        for path in (self.config.manifest, self.config.interactions):
            if path is not None:
                seen[str(path)] = stamp(self.resolve(path))
        root = self._pictures_root()
        if self.config.manifest is None:
            names = tree.walk(root).names
        else:
            names = sorted(self._rows(self.resolve(self.config.manifest))[0]["path"])
        seen["pictures"] = [str(root), len(names), tree.digest(root, names)]
        return seen

    def _pictures_root(self) -> Path:
        if self.config.images is not None:
            return existing(self.resolve(self.config.images), folder=True)
        assert self.config.manifest is not None  # the config's validator saw to it
        return existing(self.resolve(self.config.manifest), folder=False).parent

    def _from_tree(self) -> Catalog:
        root = self._pictures_root()
        found = tree.walk(root)
        if not found.names:
            raise UserError(
                f"the folder holds no picture ({found.ignored} other files)",
                where=str(root),
                remedy="pictures end in .jpg, .jpeg, .png, .webp, .bmp, .gif, .tif or .tiff",
            )
        ids = tree.item_ids(found.names)
        splits, categories = tree.layout(found.names, root)
        notes = [f"entries that are not pictures and were ignored: {found.ignored}"] if found.ignored else []
        return self._assemble(root, ids, found.names, categories, None, splits, notes)

    def _rows(self, manifest: Path) -> tuple[pd.DataFrame, list[str]]:
        return read_manifest(manifest, ("item", "path"), ("category", "attributes", "split"))

    def _from_manifest(self, path: Path) -> Catalog:
        manifest, root = self.resolve(path), self._pictures_root()
        frame, unused = self._rows(manifest)
        twice = frame.index[frame["item"].duplicated()]
        if len(twice):
            item = frame.loc[twice[0], "item"]
            raise UserError(f"the item '{item}' comes twice", where=f"{manifest}:{twice[0]}")
        real = os.path.realpath(root)
        for line, name in frame["path"].items():
            # Not Path.resolve, which raises at a link that leads to itself.
            if not inside(name) or not Path(os.path.realpath(root / name)).is_relative_to(real):
                raise UserError(
                    f"the path '{name}' leads out of '{root}'",
                    where=f"{manifest}:{line}",
                    remedy="use paths below that folder, with forward slashes",
                )
        splits = None
        if "split" in frame:
            for line, name in frame["split"].items():
                if name.lower() not in tree.SPLIT_NAMES:
                    remedy = nearest(name.lower(), tree.SPLIT_NAMES)
                    raise UserError(f"unknown split '{name}'", where=f"{manifest}:{line}", remedy=remedy)
            splits = np.array([tree.SPLIT_NAMES[name.lower()] for name in frame["split"]], dtype="U10")
        categories: list[str | None] = [None] * len(frame)
        if "category" in frame:
            categories = [name or None for name in frame["category"]]
        labels = [_labels(cell) for cell in frame["attributes"]] if "attributes" in frame else None
        notes = [f"columns of {manifest.name} that were not used: {', '.join(unused)}"] if unused else []
        return self._assemble(
            root, list(frame["item"]), list(frame["path"]), categories, labels, splits, notes
        )

    def _assemble(
        self,
        root: Path,
        ids: list[str],
        names: list[str],
        categories: list[str | None],
        labels: list[list[str]] | None,
        splits: np.ndarray | None,
        notes: list[str],
    ) -> Catalog:
        known = sorted({name for name in categories if name is not None})
        number = {name: index for index, name in enumerate(known)}
        if splits is None:
            splits = split_by_id(ids)
            notes = [
                *notes,
                "no splits are given: 70 % train, 10 % validation, 20 % test by a hash of the id",
            ]
        attribute_names = sorted({name for cell in labels or [] for name in cell})
        return Catalog(
            ids=ids,
            category=np.array([-1 if name is None else number[name] for name in categories], np.int64),
            categories=known,
            attributes=_matrix(labels, attribute_names) if labels and attribute_names else None,
            attribute_names=attribute_names,
            split=splits,
            pictures=FilePictures(root, names),
            notes=notes,
            duplicate_distance=self.config.duplicate_distance,
        )


def _labels(cell: str) -> list[str]:
    return sorted({name.strip() for name in cell.split("|") if name.strip()})


def _matrix(labels: list[list[str]], names: list[str]) -> sp.csr_matrix:
    number = {name: index for index, name in enumerate(names)}
    columns = [number[name] for cell in labels for name in cell]
    starts = np.cumsum([0, *map(len, labels)])
    return sp.csr_matrix((np.ones(len(columns), bool), columns, starts), shape=(len(labels), len(names)))
