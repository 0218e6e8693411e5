"""A guard's folder: ``guard.json``, written last, and the weights of what is learned; never a pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from elliot_advrec.component import Config, validate
from elliot_advrec.errors import UserError
from elliot_advrec.files import disk_error, sha256, write_json

FORMAT = "elliot_advrec guard 1"
RECORD = "guard.json"
FILTER, DETECTOR, EXTRACTOR = "filter.safetensors", "detector.safetensors", "extractor.safetensors"
AGAIN = "fit or copy the guard again"


class PartRecord(Config):
    """A filter, or a detector, by its name."""

    type: str
    """Its name in the registry."""
    config: dict[str, Any]
    """Its settings."""


class DetectorRecord(PartRecord):
    """A detector with its threshold."""

    threshold: float
    """Scores above it are flagged."""


class Record(Config):
    """The content of ``guard.json``."""

    format: Literal["elliot_advrec guard 1"]
    """Which version of this package reads it."""
    filter: PartRecord | None
    """What cleans pictures."""
    detector: DetectorRecord | None
    """What scores them."""
    image_size: int = Field(ge=8)
    """Side of the pictures in pixels."""
    seed: int
    """Decides every random draw, with the picture's name."""
    about: dict[str, Any]
    """Where it comes from: recipe, digest of the extractor, versions."""
    files: dict[Literal["filter.safetensors", "detector.safetensors", "extractor.safetensors"], str]
    """The files of weights and their SHA-256."""
    digest: str
    """SHA-256 of all the above: two guards of equal digest give equal verdicts."""


def write(folder: Path, described: Mapping[str, Any], savers: Mapping[str, Callable[[Path], None]]) -> Record:
    """Write the files of a guard, each to a temporary name first, and ``guard.json`` last.

    Args:
        folder: made if need be; an earlier guard in it is replaced.
        described: filter, detector, image_size, seed and about.
        savers: what writes each file of weights.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        for name in (RECORD, FILTER, DETECTOR, EXTRACTOR):
            (folder / name).unlink(missing_ok=True)  # a half-written guard must not pass for the earlier one
    except OSError as error:
        raise disk_error(error, folder) from error
    for name, save in savers.items():
        save(folder / name)
    content = {
        "format": FORMAT,
        **described,
        "files": {name: sha256(folder / name) for name in savers},
    }
    content["digest"] = _digest(content)
    record = validate(Record, content, str(folder / RECORD))
    write_json(folder / RECORD, content)
    return record


def read(folder: Path) -> Record:
    """What ``write`` wrote, every file checked against its SHA-256.

    Raises:
        UserError: no guard, one of another format, or one whose files are missing, damaged or changed.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            "is not a guard" if folder.is_dir() else "there is no guard",
            where=str(folder),
            remedy="name a folder that `elliot guard fit` wrote",
        ) from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError("is damaged", where=str(path), remedy=AGAIN)
    if content.get("format") != FORMAT:
        raise UserError(
            f"is a guard of the format {content.get('format')!r}, this version reads '{FORMAT}'",
            where=str(path),
            remedy="fit it again with this version",
        )
    digest: str | None = None
    with contextlib.suppress(ValueError, RecursionError):  # a number that is none: `write` never writes one
        digest = _digest({k: v for k, v in content.items() if k != "digest"})
    if digest is None or content.get("digest") != digest:
        raise UserError("was damaged or changed since it was written", where=str(path), remedy=AGAIN)
    record = validate(Record, content, str(path))
    for name, expected in record.files.items():
        _check(folder / name, expected)
    return record


def _check(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        reason = (
            "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        raise UserError(reason, where=str(path), remedy=AGAIN) from None
    if found != expected:
        raise UserError("was damaged or changed since it was written", where=str(path), remedy=AGAIN)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
