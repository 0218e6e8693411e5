"""A file of features, whatever its form: which items it has, and their rows when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elliot_advrec.data.features.manifest import Manifest, beside
from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic

BLOCK = 512
"""Rows read at a time: 8 MB of 4,096 numbers."""


class FeatureFile(ABC):
    """Features on disk.

    Attributes:
        path: the file or folder.
        ids: N items that it has, in the order of its rows.
        dim: numbers in a row.
        extractor: digest of the extractor they come from; None where the form does not say.
        notes: what was odd about it; every report says it.
    """

    path: Path
    ids: Sequence[str]
    dim: int
    extractor: str | None = None
    notes: list[str]

    @abstractmethod
    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, dim) float32 rows of (n,) int64 ``index``; unchecked.

        Raises:
            UserError: the rows cannot be read.
        """

    def blocks(self, index: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of ``index``, ``BLOCK`` at a time, every number of them finite.

        Raises:
            UserError: NaN or infinity, naming the item.
        """
        for start in range(0, len(index), BLOCK):
            some = index[start : start + BLOCK]
            values = self.rows(some)
            bad = ~np.isfinite(values).all(axis=1)
            if bad.any():
                item = self.ids[int(some[int(np.argmax(bad))])]
                raise UserError(
                    f"the features of the item '{item}' hold NaN or infinity",
                    where=str(self.path),
                    remedy="extract them again",
                )
            yield values


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of the items of a catalog that have any.

    Args:
        rows: (n,) int64 rows of the catalog, ascending; those left out have no features.
        values: (n, dim) float32, in memory or mapped from disk.
        notes: what was left out; every report says it.
    """

    rows: np.ndarray
    values: np.ndarray
    notes: list[str]


def read_matrix(
    file: FeatureFile,
    wanted: Sequence[str],
    *,
    extractor: str | None = None,
    strict: bool = False,
    into: Path | None = None,
) -> FeatureMatrix:
    """The features of ``wanted`` items, in their order.

    Args:
        file: what ``open_features`` gave.
        wanted: ids of a catalog.
        extractor: digest that the features must be of; None takes any.
        strict: refuse items without features, instead of leaving them out with a note.
        into: write the matrix to this .npy (with a manifest beside it) a block at a time and map it into
            memory, so that it need not fit there; None holds it in memory.

    Raises:
        UserError: features of another extractor, NaN or infinity, no item in common, a missing one under
            ``strict``, a file that cannot be read or written.
    """
    if extractor is not None and file.extractor is not None and file.extractor != extractor:
        raise UserError(
            f"these are features of another extractor ({file.extractor[:12]}, expected {extractor[:12]})",
            where=str(file.path),
            remedy="extract them again with 'elliot data extract'",
        )
    place = {item: row for row, item in enumerate(file.ids)}
    found = np.fromiter((place.get(item, -1) for item in wanted), np.int64, len(wanted))
    rows = np.flatnonzero(found >= 0)
    notes = list(file.notes)
    if not len(rows):
        ours = f"'{wanted[0]}'" if len(wanted) else "none"
        theirs = f"'{file.ids[0]}'" if len(file.ids) else "none"
        raise UserError(
            f"no item of the catalog has features: its ids look like {ours}, the file's like {theirs}",
            where=str(file.path),
            remedy="use the ids of the catalog",
        )
    if len(rows) < len(wanted):
        first = wanted[int(np.argmin(found))]
        what = f"{len(wanted) - len(rows)} of {len(wanted)} items have no features (first: '{first}')"
        if strict:
            raise UserError(what, where=str(file.path), remedy="extract them, or set strict: false")
        notes.append(f"{file.path.name}: {what} and were left out")
    if len(rows) < len(file.ids):
        unknown = len(file.ids) - len(rows)
        notes.append(f"{file.path.name}: features of {unknown} items that the catalog lacks were not read")
    if into is None:
        values = np.empty((len(rows), file.dim), np.float32)
        for start, block in zip(range(0, len(rows), BLOCK), file.blocks(found[rows]), strict=True):
            values[start : start + BLOCK] = block
    else:
        # Written in order, not through a memory map: on a full disk that would kill the process.
        with atomic(into) as temporary, temporary.open("wb") as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), file.dim)}
            np.lib.format.write_array_header_1_0(stream, header)
            for block in file.blocks(found[rows]):
                stream.write(np.ascontiguousarray(block, "<f4").data)
        Manifest(ids=[wanted[row] for row in rows.tolist()], dim=file.dim, extractor=file.extractor).save(
            beside(into)
        )
        values = np.load(into, mmap_mode="r", allow_pickle=False)
    return FeatureMatrix(rows, values, notes)
