"""Elliot's form of features: a folder with one ``.npy`` an item, called by the item's number."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from elliot_advrec.data.features.base import FeatureFile
from elliot_advrec.data.features.manifest import Manifest, refuse_twice
from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError
from elliot_advrec.files import read_array

ITEMS, MANIFEST = "items.tsv", "features.json"
"""Beside the folder, written by 'elliot data extract': which item has which number, and the manifest."""


class ElliotFolder(FeatureFile):
    """One ``.npy`` of ``dim`` numbers an item; Elliot takes the name up to its first dot for a whole number.

    Where ``items.tsv`` lies beside the folder, it says which item has which number; else the number itself is
    the item's id.

    Args:
        path: the folder.
        numbered: the numbers are the ids, whatever lies beside the folder, as Elliot has it.

    Raises:
        UserError: no such folder, no file in it, a name that is no whole number, two of the same number, a
            first file that is no row of numbers, or a table or manifest beside it of other features.
    """

    def __init__(self, path: Path, *, numbered: bool = False) -> None:
        self.path, self.notes = existing(path, folder=True), []
        number_of: dict[int, str] = {}
        for name in sorted(os.listdir(path)):
            stem = name.split(".")[0]
            if not stem.isascii() or not stem.isdigit() or not name.endswith(".npy"):
                raise UserError(
                    f"'{name}' is not called by a whole number",
                    where=str(path),
                    remedy="Elliot reads every file here as <item number>.npy; move others out",
                )
            if int(stem) in number_of:
                raise UserError(
                    f"'{number_of[int(stem)]}' and '{name}' are the same item {int(stem)}", where=str(path)
                )
            number_of[int(stem)] = name
        if not number_of:
            raise UserError("the folder is empty", where=str(path))
        numbers = sorted(number_of)
        self._files = [number_of[number] for number in numbers]
        self.ids = [str(number) for number in numbers]
        self.dim = len(self._row(0))
        if not numbered:
            self._named(numbers)

    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, dim) float32; opens a file for each."""
        found = np.empty((len(index), self.dim), np.float32)
        for place, row in enumerate(index.tolist()):
            values = self._row(row)
            if len(values) != self.dim:
                raise UserError(
                    f"holds {len(values)} numbers, the first file of the folder {self.dim}",
                    where=str(self.path / self._files[row]),
                )
            found[place] = values
        return found

    def _row(self, row: int) -> np.ndarray:
        path = self.path / self._files[row]
        try:
            values = read_array(path)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as an array ({error})", where=str(path)) from error
        if values.ndim != 1 or not len(values) or values.dtype.kind not in "fiu":
            raise UserError(
                f"must hold one row of numbers, got {values.dtype} {values.shape}", where=str(path)
            )
        return values

    def _named(self, numbers: list[int]) -> None:
        """Take over what ``items.tsv`` and the manifest beside the folder say, where they are."""
        items, beside = self.path.parent / ITEMS, self.path.parent / MANIFEST
        if items.is_file():
            self.ids = _items(items, numbers)
        if beside.is_file():
            manifest = Manifest.load(beside)
            if manifest.dim != self.dim or set(manifest.ids) != set(self.ids):
                raise UserError(
                    f"the manifest is of other features: {len(manifest.ids)} items x {manifest.dim} numbers "
                    f"(the folder: {len(self.ids)} x {self.dim})",
                    where=str(beside),
                    remedy="it belongs to another extraction: extract again",
                )
            self.extractor = manifest.extractor


def _items(path: Path, numbers: list[int]) -> list[str]:
    """The item of each number, by a table of item and number."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            item_of = {int(number): item for item, number in csv.reader(stream, delimiter="\t")}
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot be read as lines of item and number ({error})", where=str(path)) from error
    missing = [number for number in numbers if number not in item_of]
    if missing:
        raise UserError(
            f"it names no item for the number {missing[0]} ({len(missing)} are missing)",
            where=str(path),
            remedy="it belongs to another extraction: extract again",
        )
    ids = [item_of[number] for number in numbers]
    refuse_twice(ids, str(path))
    return ids
