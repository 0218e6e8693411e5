"""What the stages of one run share: the store, the device, and artefacts read back when first asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.data.pixels import reopen
from elliot_advrec.errors import UserError
from elliot_advrec.experiment.handing_in import Shop
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor, Precision
from elliot_advrec.guards import Guard
from elliot_advrec.metrics.lpips import lpips_network
from elliot_advrec.processes import ALONE, Group
from elliot_advrec.recipe.run import LpipsSettings
from elliot_advrec.recommenders import Recommender

T = TypeVar("T")

EXTRACTOR = "extractor.safetensors"
KEPT = 2  # artefacts of each kind kept in memory: stages run defense by defense, so older ones are done with
REMEMBERED = 16  # stages of which numbers are kept that others will ask for again


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` as a device of this machine.

    Raises:
        UserError: CUDA is asked for where there is none, or the index is out of range.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"unknown device '{name}'", remedy="use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device '{name}' is not supported", remedy="use auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            found = "PyTorch finds no GPU" if count == 0 else f"PyTorch finds {count} GPU(s)"
            raise UserError(
                f"device '{name}' is not there: {found}", remedy="use --device auto or --device cpu"
            )
    return device


class Workspace:
    """Artefacts of finished stages, by stage.

    Args:
        store: where stages are kept.
        device: where networks run.
        workers: processes that decode images.
    """

    def __init__(self, store: Store, device: torch.device, workers: int) -> None:
        self.store, self.device, self.workers = store, device, workers
        self.group: Group = ALONE
        """Processes that make the present stage together; set by who starts them."""
        self._memory: dict[str, OrderedDict[str, Any]] = {}
        self._lpips: dict[LpipsSettings, torch.nn.Module] = {}

    def folder(self, stage: Stage) -> Path:
        return self.store.entry(stage.kind, stage.key).folder

    def record(self, stage: Stage) -> dict[str, Any]:
        """What a finished stage left beside its files.

        Raises:
            UserError: it is not there any more.
        """
        found = self.store.entry(stage.kind, stage.key).record()
        if found is None:
            raise UserError(
                "a finished stage is gone or damaged", where=str(self.folder(stage)), remedy="run again"
            )
        return found

    def _once(self, what: str, stage: Stage, read: Callable[[Path], T], limit: int = KEPT) -> T:
        kept = self._memory.setdefault(what, OrderedDict())
        if stage.key not in kept:
            kept[stage.key] = read(self.folder(stage))
            while len(kept) > limit:
                kept.popitem(last=False)
        kept.move_to_end(stage.key)
        return cast(T, kept[stage.key])

    def numbers(self, what: str, stage: Stage) -> dict[Any, Any]:
        """A place for numbers that were computed of ``stage`` and that other stages will ask for again."""
        return self._once(what, stage, lambda folder: {}, REMEMBERED)

    def catalog(self, stage: Stage) -> Catalog:
        return self._once("catalog", stage, Catalog.load)

    def pixels(self, stage: Stage) -> PixelFile:
        return self._once("pixels", stage, lambda folder: reopen(folder)[1])

    def interactions(self, stage: Stage) -> Interactions:
        return self._once("interactions", stage, Interactions.load)

    def extractor(self, stage: Stage) -> Extractor:
        """A fresh copy, on the CPU: training may change it."""
        return Extractor.load(self.folder(stage) / EXTRACTOR)

    def frozen(self, stage: Stage, precision: Precision = "float32") -> FrozenExtractor:
        def read(folder: Path) -> FrozenExtractor:
            return FrozenExtractor(Extractor.load(folder / EXTRACTOR), precision).to(self.device)

        return self._once(f"frozen {precision}", stage, read)

    def guard(self, stage: Stage) -> Guard:
        """What a stage of kind ``guard`` left, on the run's device."""
        return self._once("guard", stage, lambda folder: Guard.load(folder, self.device))

    def shop(self, stage: Stage) -> Shop:
        """The pictures' way into the catalog, for a stage that needs an ``extractor``, maybe a ``guard``."""
        view, guard = self.frozen(stage.needs["extractor"]), stage.needs.get("guard")
        if guard is None:
            return Shop(view)
        how = stage.parts.get("guard", {})
        scored = self.numbers("scored", guard)
        return Shop(view, self.guard(guard), how.get("refuse", True), how.get("tries", 1), scored)

    def lpips(self, settings: LpipsSettings | None) -> torch.nn.Module | None:
        """The network of LPIPS, read once a run; None where it is not measured."""
        if settings is None or settings.backbone is None:
            return None
        if settings not in self._lpips:
            self._lpips[settings] = lpips_network(
                settings.backbone, settings.net, self.device, settings.linear
            )
        return self._lpips[settings]

    def embeddings(self, stage: Stage) -> np.ndarray:
        """(N, D) float32, read from the file as it is looked at; what is written to it stays in memory."""
        return self._once(
            "embeddings", stage, lambda folder: np.load(folder / "embeddings.npy", mmap_mode="c")
        )

    def recommender(self, stage: Stage) -> Recommender:
        kind = stage.parts["model"]
        return self._once("recommender", stage, lambda folder: kind.load(folder / "recommender"))

    def arrays(self, stage: Stage, name: str, *, but: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        """The arrays of ``name`` (an .npz of that stage) except those of ``but``; none of them is pickled."""
        with np.load(self.folder(stage) / name, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key not in but}
