"""Features as one NumPy array: ``.npy``, mapped from disk, or ``.npz``, with the items' ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elliot_advrec.data.features.base import FeatureFile
from elliot_advrec.data.features.manifest import Manifest, beside, refuse_twice
from elliot_advrec.errors import UserError
from elliot_advrec.files import read_array, read_arrays


class ArrayFile(FeatureFile):
    """A ``.npy`` with its manifest beside it; rows are read from disk when asked for.

    Args:
        path: the file.
        numbered: without a manifest, row i is the item called ``str(i)``, as in the files of AMR (Tang et al.
            2020).

    Raises:
        UserError: no such file, not a matrix of numbers, a manifest that is missing or of another height.
    """

    def __init__(self, path: Path, *, numbered: bool = False) -> None:
        self.path, self.notes = path, []
        try:
            self._values = read_array(path, mapped=True)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as an array ({error})", where=str(path)) from error
        _check_matrix(self._values, path)
        self.dim = int(self._values.shape[1])
        if numbered and not beside(path).exists():
            self.ids = [str(row) for row in range(len(self._values))]
            return
        manifest = Manifest.load(beside(path))
        _check_shape(self._values, len(manifest.ids), manifest.dim, path)
        self.ids, self.extractor = manifest.ids, manifest.extractor

    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, dim) float32."""
        return np.asarray(self._values[index], np.float32)


class ArchiveFile(FeatureFile):
    """A ``.npz`` of ``features`` (N, dim) and ``ids`` (N,) text, held in memory.

    Raises:
        UserError: no such file, damaged, arrays missing or of different heights, an id twice.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, []
        try:
            arrays = read_arrays(path)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as an archive of arrays ({error})", where=str(path)) from error
        for name in ("features", "ids"):
            if name not in arrays:
                raise UserError(
                    f"the array '{name}' is missing",
                    where=str(path),
                    remedy=f"it holds {', '.join(arrays) or 'none'}",
                )
        self._values = arrays["features"]
        _check_matrix(self._values, path)
        ids = arrays["ids"]
        if ids.ndim != 1 or ids.dtype.kind not in "Uiu":
            raise UserError(
                f"'ids' must be one row of text or whole numbers, got {ids.dtype}", where=str(path)
            )
        self.ids, self.dim = [str(item) for item in ids], int(self._values.shape[1])
        _check_shape(self._values, len(ids), self.dim, path)
        refuse_twice(self.ids, str(path))
        self.extractor = str(arrays["extractor"]) if "extractor" in arrays else None

    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, dim) float32."""
        return np.asarray(self._values[index], np.float32)


def _check_matrix(values: np.ndarray, path: Path) -> None:
    if values.ndim != 2 or values.dtype.kind not in "fiu" or 0 in values.shape:
        raise UserError(
            f"must be a matrix of numbers, one row an item, got {values.dtype} {values.shape}",
            where=str(path),
        )


def _check_shape(values: np.ndarray, count: int, dim: int, path: Path) -> None:
    if values.shape != (count, dim):
        raise UserError(
            f"the matrix is {values.shape[0]} x {values.shape[1]}, its ids say {count} x {dim}",
            where=str(path),
            remedy="matrix and ids belong to different extractions: extract again",
        )
