"""Where extracted features are gathered, a batch at a time, until all are there."""

from __future__ import annotations

import io
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from elliot_advrec.data.features.elliot_folder import ITEMS
from elliot_advrec.errors import UserError
from elliot_advrec.files import held

NAME = "features"


class Target(ABC):
    """Features of ``count`` items on their way to disk.

    What is not finished lies in ``.features.<key>.partial``; the key is that of the extraction, so rows of
    another one are never taken for these.

    Args:
        output: the folder.
        key: decides every number.
        count: items.
        dim: numbers of each.
        batch: rows come in runs of this many.
    """

    def __init__(self, output: Path, key: str, count: int, dim: int, batch: int) -> None:
        self.output, self.count, self.dim, self.batch = output, count, dim, batch
        self.partial = output / f".{NAME}.{self.form}.{key}.partial"

    form: ClassVar[str]
    name: ClassVar[str]

    @property
    def final(self) -> Path:
        """Where the features lie in the end."""
        return self.output / self.name

    @abstractmethod
    def begun(self) -> int:
        """How many rows are whole already, in full batches; what follows them is dropped."""

    @abstractmethod
    def add(self, start: int, values: np.ndarray) -> None:
        """Write (n, dim) float32 rows from ``start`` on."""

    def finish(self) -> None:
        """Put the features in the place of an earlier extraction's, and drop what killed ones left."""
        if self.final.is_dir():
            shutil.rmtree(self.final)
        self.partial.rename(self.final)
        for left in self.output.glob(f".{NAME}.{self.form}.*.partial"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only one process at a time writes here.

        Raises:
            UserError: another does, or the disk is full or cannot be written.
        """
        with held(self.output, f".{NAME}.lock", "another extraction writes here"):
            yield


class MatrixTarget(Target):
    """``features.npy``: (count, dim) float32, row i the item of catalog row i."""

    form, name = "npy", f"{NAME}.npy"

    def begun(self) -> int:
        """Whole batches behind the header."""
        header = io.BytesIO()
        shape = (self.count, self.dim)
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
        self._head = len(header.getvalue())
        with self.partial.open("a+b") as stream:
            stream.seek(0)
            if stream.read(self._head) != header.getvalue():
                stream.truncate(0)
                stream.write(header.getvalue())
            done = (stream.seek(0, io.SEEK_END) - self._head) // (4 * self.dim)
            done = self.count if done >= self.count else done // self.batch * self.batch
            stream.truncate(self._head + done * 4 * self.dim)
        return done

    def add(self, start: int, values: np.ndarray) -> None:
        """Written in order, not through a memory map: on a full disk that would kill the process."""
        with self.partial.open("r+b") as stream:
            stream.seek(self._head + start * 4 * self.dim)
            stream.write(np.ascontiguousarray(values, "<f4").data)


class FolderTarget(Target):
    """``features/<number>.npy``: one row of ``dim`` float32 an item, as Elliot reads them.

    Args:
        number: (count,) Elliot's number of each catalog row.
    """

    form, name = "elliot", NAME

    def __init__(
        self, output: Path, key: str, count: int, dim: int, batch: int, *, number: np.ndarray
    ) -> None:
        super().__init__(output, key, count, dim, batch)
        self._number = number

    def begun(self) -> int:
        """Whole batches of files; the last file may have been cut off, so its batch is not one."""
        if self.final.exists() and not (self.output / ITEMS).is_file() and any(self.final.iterdir()):
            raise UserError(
                f"holds files but has no {ITEMS} beside it",
                where=str(self.final),
                remedy="it is not replaced; name another --output",
            )
        self.partial.mkdir(parents=True, exist_ok=True)
        files = sum(1 for _ in self.partial.iterdir())
        return max(files - 1, 0) // self.batch * self.batch

    def add(self, start: int, values: np.ndarray) -> None:
        """One file a row."""
        for number, row in zip(self._number[start : start + len(values)].tolist(), values, strict=True):
            np.save(self.partial / f"{number}.npy", row)
