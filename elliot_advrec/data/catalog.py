"""The items: ids, labels and where their pictures are; the one manifest that maps ids to rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from elliot_advrec.data.pictures import Chosen, Picture
from elliot_advrec.errors import UserError
from elliot_advrec.files import write_arrays, write_json

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Skipped:
    """An item that was dropped because its picture is bad.

    Args:
        id: the item.
        path: its file.
        reason: one phrase, as ``BadImage`` gave it.
    """

    id: str
    path: str
    reason: str


@dataclass(frozen=True)
class Catalog:
    """N items. Row i of every array, of the pixel file and of the interaction columns is ``ids[i]``.

    Args:
        ids: N unique strings.
        category: (N,) int64 index into ``categories``, -1 where unlabelled.
        categories: names; empty when there are no category labels.
        attributes: (N, A) bool CSR of textures, or None.
        attribute_names: A names.
        split: (N,) of "train", "validation", "test".
        pictures: N readers; may be empty for a catalog that was loaded from disk.
        taste: (N, F) what simulated users have a taste for, or None.
        notes: what was dropped or changed while the catalog was made; every report says it.
        duplicate_distance: ``prepare`` drops pictures whose perceptual hash is within this many bits of an
            earlier one's; None keeps all.

    Raises:
        ValueError: lengths, ids, labels or splits that do not fit each other.
    """

    ids: list[str]
    category: np.ndarray
    categories: list[str]
    attributes: sp.csr_matrix | None
    attribute_names: list[str]
    split: np.ndarray
    pictures: Sequence[Picture] = field(repr=False)
    taste: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    duplicate_distance: int | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(set(self.ids)) != n:
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise ValueError(f"item ids must be unique, '{twice}' comes twice")
        for name, length in (("category", len(self.category)), ("split", len(self.split))):
            if length != n:
                raise ValueError(f"{name} has {length} entries for {n} items")
        if len(self.pictures) not in (0, n):
            raise ValueError(f"there are {len(self.pictures)} pictures for {n} items")
        if n and not -1 <= self.category.min() <= self.category.max() < max(len(self.categories), 0):
            raise ValueError(f"category must lie in [-1, {len(self.categories)})")
        if self.attributes is not None and self.attributes.shape != (n, len(self.attribute_names)):
            expected = (n, len(self.attribute_names))
            raise ValueError(f"attributes must be {expected}, got {self.attributes.shape}")
        if self.taste is not None and len(self.taste) != n:
            raise ValueError(f"taste has {len(self.taste)} rows for {n} items")
        if not set(np.unique(self.split)) <= set(SPLITS):
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {set(np.unique(self.split))}")

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, split: str) -> np.ndarray:
        """(n,) int64 rows of one split, ascending."""
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return np.flatnonzero(self.split == split)

    def keep(self, rows: np.ndarray | Sequence[int], note: str | None = None) -> Catalog:
        """The catalog of ``rows`` alone, in their order; ``note`` says why the others went.

        Args:
            rows: (n,) int row numbers, or (N,) bool.
        """
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return replace(
            self,
            ids=[self.ids[int(row)] for row in chosen],
            category=self.category[chosen],
            attributes=None if self.attributes is None else self.attributes[chosen],
            split=self.split[chosen],
            pictures=Chosen(self.pictures, chosen) if len(self.pictures) else [],
            taste=None if self.taste is None else self.taste[chosen],
            notes=[*self.notes, note] if note else list(self.notes),
        )

    def save(self, folder: Path) -> None:
        """Write all but the pictures: ``catalog.json`` and ``catalog.npz`` (no pickles), atomically."""
        arrays = {"category": self.category.astype(np.int64), "split": self.split.astype("U10")}
        if self.taste is not None:
            arrays["taste"] = self.taste
        if self.attributes is not None:
            arrays["attributes_indptr"] = self.attributes.indptr
            arrays["attributes_indices"] = self.attributes.indices
        write_arrays(folder / "catalog.npz", arrays, compressed=True)
        header = {
            "ids": self.ids,
            "categories": self.categories,
            "attribute_names": self.attribute_names,
            "notes": self.notes,
        }
        write_json(folder / "catalog.json", header)

    @classmethod
    def load(cls, folder: Path, pictures: Sequence[Picture] = ()) -> Catalog:
        """What ``save`` wrote, with ``pictures`` put back where the caller has them.

        Raises:
            UserError: the files are missing or damaged.
        """
        try:
            header = json.loads((folder / "catalog.json").read_text("utf-8"))
            with np.load(folder / "catalog.npz", allow_pickle=False) as arrays:
                stored = {name: arrays[name] for name in arrays.files}
            names = header["attribute_names"]
            attributes = None
            if "attributes_indptr" in stored:
                indptr, indices = stored["attributes_indptr"], stored["attributes_indices"]
                ones = np.ones(len(indices), bool)
                attributes = sp.csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1, len(names)))
            return cls(
                ids=header["ids"],
                category=stored["category"],
                categories=header["categories"],
                attributes=attributes,
                attribute_names=names,
                split=stored["split"],
                pictures=pictures,
                taste=stored.get("taste"),
                notes=header["notes"],
            )
        except Exception as error:  # damaged zip, JSON and arrays fail in many ways
            raise UserError(
                f"the saved catalog cannot be read ({type(error).__name__}: {error})",
                where=str(folder),
                remedy="delete this folder and run again",
            ) from error
