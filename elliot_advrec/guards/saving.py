"""The parts of a guard, to its folder and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import timm
import torch

from elliot_advrec import __version__
from elliot_advrec.component import Component, validate
from elliot_advrec.detectors import DETECTORS, Detector
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.saved import SavedNetwork
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.guards import folder as folders
from elliot_advrec.registry import Registry

P = TypeVar("P", bound=Component)


class Saved(Protocol):
    """What ``save`` writes of a guard."""

    filter: Filter | None
    detector: Detector | None
    extractor: Extractor | None
    image_size: int
    seed: int
    about: dict[str, Any]


class Loaded(NamedTuple):
    """What ``load`` reads."""

    record: folders.Record
    filter: Filter | None
    detector: Detector | None
    extractor: Extractor | None


def save(guard: Saved, folder: Path) -> str:
    """Write the parts of ``guard``; its digest.

    Raises:
        UserError: no threshold yet, a part that no registry knows, or a folder that cannot be written.
    """
    versions = {"elliot_advrec": __version__, "timm": timm.__version__, "torch": torch.__version__}
    described: dict[str, Any] = {"filter": None, "detector": None}
    if guard.filter is not None:
        described["filter"] = _described(FILTERS, guard.filter)
    if guard.detector is not None:
        described["detector"] = _described(DETECTORS, guard.detector)
        described["detector"]["threshold"] = guard.detector.threshold
    described |= {"image_size": guard.image_size, "seed": guard.seed}
    described["about"] = {**guard.about, "versions": versions}
    savers = {}
    for name, part in ((folders.FILTER, guard.filter), (folders.DETECTOR, guard.detector)):
        if isinstance(part, SavedNetwork):
            savers[name] = part.save
    if guard.extractor is not None:
        savers[folders.EXTRACTOR] = guard.extractor.save
    return folders.write(folder, described, savers).digest


def load(folder: Path) -> Loaded:
    """The parts that ``save`` wrote, on the CPU.

    Raises:
        UserError: no guard, files that are missing, damaged or changed, another format, a part that is not
            installed, or weights that do not fit.
    """
    record = folders.read(folder)
    filter = detector = extractor = None
    if record.filter is not None:
        filter = _part(FILTERS, record.filter, record, folder, folders.FILTER)
    if record.detector is not None:
        detector = _part(DETECTORS, record.detector, record, folder, folders.DETECTOR)
        detector.threshold = record.detector.threshold
    if folders.EXTRACTOR in record.files:
        extractor = Extractor.load(folder / folders.EXTRACTOR)
    return Loaded(record, filter, detector, extractor)


def _described(registry: Registry[P], part: P) -> dict[str, Any]:
    return {"type": registry.name_of(type(part)), "config": part.config.model_dump(mode="json")}


def _part(
    registry: Registry[P], kept: folders.PartRecord, record: folders.Record, folder: Path, file: str
) -> P:
    """A filter or detector from its record, with its weights where it has any."""
    kind = registry.get(kept.type, str(folder / folders.RECORD))
    if not issubclass(kind, SavedNetwork):
        where = f"{folder / folders.RECORD}: {registry.kind}.config"
        return kind(validate(kind.config_class, kept.config, where))
    if file not in record.files:
        raise UserError(f"holds no weights of its {registry.kind}", where=str(folder), remedy=folders.AGAIN)
    return kind.load(folder / file)
