"""The state of a training after its last whole epoch, in one file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.defended import Defense
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import Precision
from elliot_advrec.extractors.history import History
from elliot_advrec.extractors.optimiser import Optimiser

STATE = "training.safetensors"


def fingerprint(
    extractor: Extractor,
    catalog: Catalog,
    rows: np.ndarray,
    config: TrainingConfig,
    defense: Defense | None,
    adversary: Precision,
    seed: int,
) -> dict[str, Any]:
    """What decides a training's result, JSON-able; two that differ must not share a folder."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{catalog.ids[row]}\x1f{catalog.category[row]}\n".encode())
    first = hashlib.sha256()
    for name, tensor in extractor.state_dict().items():
        first.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    # Neither changes what is learned, so both may change between a kill and its continuation.
    settings = config.model_dump(mode="json", exclude={"tensorboard", "validate_epochs"})
    return {
        "training": settings,
        "extractor": extractor.config.model_dump(mode="json", exclude={"training"}),
        "image_size": extractor.image_size,
        "defense": None
        if defense is None
        else [type(defense).__name__, defense.config.model_dump(mode="json"), adversary],
        "items": digest.hexdigest(),
        "first_weights": first.hexdigest(),
        "seed": seed,
    }


class TrainingState:
    """Where a training stands.

    Args:
        folder: of this training alone.
        identity: what decides its result.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path, self.identity = folder / STATE, identity

    def keep(self, extractor: Extractor, optimiser: Optimiser, history: History) -> None:
        """Write the state after an epoch, replacing the one before it.

        Raises:
            UserError: the folder cannot be written, or the disk is full; the state before stays.
        """
        tensors, rest = optimiser.state()
        stored = {f"model/{name}": tensor for name, tensor in extractor.state_dict().items()}
        stored |= {f"optimiser/{name}": tensor for name, tensor in tensors.items()}
        header = {"identity": self.identity, "optimiser": rest, "history": history.to_json()}
        checkpoint.keep(self.path, stored, header)

    def restore(self, extractor: Extractor, optimiser: Optimiser) -> History:
        """Put the stored state into both, or leave them as they are; the epochs that are done.

        Raises:
            UserError: the folder holds another training. (A broken file is none: the training begins anew.)
        """
        stored = checkpoint.kept(self.path)
        if stored is None:
            return History()
        tensors, header = stored
        found = header.get("identity")
        if found != self.identity:
            differing = [
                k for k in self.identity if not isinstance(found, dict) or found.get(k) != self.identity[k]
            ]
            raise UserError(
                f"holds a training that differs in {', '.join(differing)}",
                where=str(self.path),
                remedy="name another folder, or delete this one to train anew",
            )
        model = {k.removeprefix("model/"): t for k, t in tensors.items() if k.startswith("model/")}
        checkpoint.fill(extractor, model, self.path, extractor.config.backbone)
        slots = {k.removeprefix("optimiser/"): t for k, t in tensors.items() if k.startswith("optimiser/")}
        optimiser.restore(slots, header["optimiser"])
        return History.from_json(header["history"])
