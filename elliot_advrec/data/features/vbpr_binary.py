"""The binary features of the original VBPR: ``image_features_*.b``.

He, McAuley: VBPR, AAAI 2016. The file repeats a record of an item's id in ten characters (shorter ones are
filled up with blanks) and 4,096 little-endian float32, with no header. Those of Amazon's clothes take 24 GB,
so the file is mapped into memory and only the rows that are wanted are read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elliot_advrec.data.features.base import FeatureFile
from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError

ID_BYTES, DIM = 10, 4096
RECORD = np.dtype([("id", f"S{ID_BYTES}"), ("features", "<f4", (DIM,))])


class BinaryFile(FeatureFile):
    """``image_features_*.b``; of an item that is there twice the first row counts.

    Args:
        path: the file, unpacked.

    Raises:
        UserError: no such file, gzip, empty, cut off (names the byte), or ids that are not ASCII.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes, self.dim = existing(path, folder=False), [], DIM
        size = path.stat().st_size
        count, rest = divmod(size, RECORD.itemsize)
        with path.open("rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                raise UserError("is compressed", where=str(path), remedy="unpack it first: gunzip")
        if rest:
            raise UserError(
                f"is cut off: the record at byte {size - rest} has {rest} of {RECORD.itemsize} bytes",
                where=str(path),
                remedy="fetch the file again",
            )
        if not count:
            raise UserError("the file is empty", where=str(path))
        self._records = np.memmap(path, RECORD, "r", shape=(count,))
        names = np.array(self._records["id"])
        try:
            ids = np.char.strip(np.char.decode(names, "ascii")).tolist()
        except UnicodeDecodeError:
            first = next(row for row, name in enumerate(names) if not name.isascii())
            raise UserError(
                f"the id at byte {first * RECORD.itemsize} is not text",
                where=str(path),
                remedy=f"each record is {ID_BYTES} characters and {DIM} float32",
            ) from None
        first_row = {item: row for row, item in reversed(list(enumerate(ids)))}
        self._rows = np.array(sorted(first_row.values()), np.int64)
        self.ids = [ids[row] for row in self._rows]
        if len(self._rows) < count:
            self.notes.append(
                f"{path.name}: {count - len(self._rows)} rows repeat an earlier item; the first counts"
            )

    def rows(self, index: np.ndarray) -> np.ndarray:
        """(n, 4096) float32, read in the order of the file."""
        places = self._rows[index]
        order = np.argsort(places)
        found = np.empty((len(index), DIM), np.float32)
        found[order] = self._records["features"][places[order]]
        return found
