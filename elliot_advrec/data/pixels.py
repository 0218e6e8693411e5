"""Every picture of a catalog, decoded once to bytes on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from elliot_advrec.data.catalog import Catalog, Skipped
from elliot_advrec.data.decoding import Decoded
from elliot_advrec.data.decoding_workers import decode_all
from elliot_advrec.data.duplicates import find_duplicates
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic, write_json
from elliot_advrec.progress import SILENT, Progress

__all__ = ["PixelFile", "prepare", "reopen"]


def prepare(
    catalog: Catalog,
    size: int,
    folder: Path,
    *,
    strict: bool = False,
    workers: int = 0,
    progress: Progress = SILENT,
) -> tuple[Catalog, PixelFile, list[Skipped]]:
    """Decode every picture of ``catalog`` to ``folder/pixels.bin``.

    Items whose picture is bad are listed and dropped, and so are near-duplicates where the catalog asks for
    it; the rows of what remains are those of the catalog returned. Memory grows with the batch, not with the
    catalog. ``folder/pixels.json`` is written last: where it is, the folder is complete (see ``reopen``). It
    lists the bad pictures and, by id, what each near-duplicate is one of.

    Args:
        catalog: N items with their pictures.
        size: side of a decoded picture in pixels, at least 8.
        folder: where the files go; made if need be.
        strict: refuse bad pictures instead of dropping their items.
        workers: processes that decode; 0 decodes in this one. A script that asks for workers must guard its
            entry with ``if __name__ == "__main__"``, since they are started afresh.

    Returns:
        The catalog that remains, its pixels, and the items that were dropped for a bad picture.

    Raises:
        UserError: no items, a bad picture under ``strict``, more than half of the pictures bad, a full disk.
    """
    n = len(catalog)
    if n == 0:
        raise UserError("the catalog has no items")
    if size < 8:
        raise UserError(f"pictures must be at least 8 pixels a side, got {size}")
    if len(catalog.pictures) != n:
        raise UserError("the catalog has no pictures to decode", remedy="take it from its source again")
    _check_space(folder, n * 3 * size * size)
    (folder / "pixels.json").unlink(missing_ok=True)
    path = folder / "pixels.bin"
    header: dict[str, Any] = {"size": size}
    with atomic(path) as temporary, temporary.open("w+b") as stream:
        decoded = _write(stream, catalog, size, strict, workers, progress)
        header["skipped"] = [asdict(item) for item in decoded.skipped]
        kept = catalog.keep(decoded.rows, decoded.note(n))
        if catalog.duplicate_distance is not None:
            found = find_duplicates(decoded.hashes, decoded.colours, catalog.duplicate_distance)
            header["duplicates"] = {kept.ids[row]: kept.ids[first] for row, first in found.pairs()}
            _compact(stream, found.kept, 3 * size * size)
            kept = kept.keep(found.kept, found.note())
    kept.save(folder)
    write_json(folder / "pixels.json", {**header, "count": len(kept)})
    return kept, PixelFile(path, size, len(kept)), decoded.skipped


def reopen(folder: Path) -> tuple[Catalog, PixelFile, list[Skipped]]:
    """What an earlier ``prepare`` left in ``folder``; the catalog comes without its pictures.

    Raises:
        UserError: the folder is incomplete or damaged.
    """
    try:
        header = json.loads((folder / "pixels.json").read_text("utf-8"))
        size, count = int(header["size"]), int(header["count"])
        skipped = [Skipped(**entry) for entry in header["skipped"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"the prepared pictures cannot be read ({error})",
            where=str(folder),
            remedy="delete this folder and run again",
        ) from error
    catalog = Catalog.load(folder)
    if len(catalog) != count:
        raise UserError(
            f"the catalog has {len(catalog)} items, the pixel file {count}",
            where=str(folder),
            remedy="delete this folder and run again",
        )
    return catalog, PixelFile(folder / "pixels.bin", size, count), skipped


def _write(
    stream: BinaryIO, catalog: Catalog, size: int, strict: bool, workers: int, progress: Progress
) -> Decoded:
    decoded = Decoded()
    hashed = catalog.duplicate_distance is not None
    with progress.track("decoding pictures", len(catalog)) as advance:
        for batch in decode_all(catalog.pictures, size, workers=workers, hashed=hashed):
            stream.write(batch.pixels.data)
            decoded.add(batch, catalog.ids)
            if 2 * len(decoded.skipped) > len(catalog):
                raise decoded.error(len(catalog), "more than half of the pictures cannot be used")
            advance(batch.count)
    if strict and decoded.skipped:
        raise decoded.error(len(catalog), "a picture cannot be used and strict is set")
    return decoded


def _compact(stream: BinaryIO, rows: np.ndarray, row_bytes: int) -> None:
    """Move ``rows`` (ascending) to the front of the file, in place, and cut the rest off."""
    for new, old in enumerate(rows.tolist()):
        if new != old:
            stream.seek(old * row_bytes)
            row = stream.read(row_bytes)
            stream.seek(new * row_bytes)
            stream.write(row)
    stream.truncate(len(rows) * row_bytes)


def _check_space(folder: Path, needed: int) -> None:
    """Better to say so now than after an hour of decoding."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"the decoded pictures take {needed / 1e6:,.1f} MB, the disk has {free / 1e6:,.1f} MB free",
            where=str(folder),
            remedy="free space, name another --output, or choose a smaller size",
        )
