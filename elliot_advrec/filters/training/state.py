"""The state of a filter's training after its last whole epoch, in one file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.progress import epoch_line

STATE = "filter-training.safetensors"


@dataclass
class Epoch:
    """One pass over the training pictures."""

    epoch: int
    """Counted from 1, through all stages."""
    stage: int
    """Counted from 1."""
    losses: dict[str, float]
    """Means of the losses before their weights: pixel, perceptual, contrastive, bpr, where they were used."""
    lr: float
    """Learning rate after the last step."""
    seconds: float
    """Wall-clock time."""

    def line(self, epochs: int) -> str:
        """What is said of it, the last of so many."""
        return epoch_line(self.epoch, epochs, self.losses, self.seconds)


@dataclass
class History:
    """A training's epochs, in order."""

    epochs: list[Epoch] = field(default_factory=list)


def digest(values: Any) -> str:
    """A hash of tensors by name, of an array or of strings."""
    found = hashlib.sha256()
    if isinstance(values, np.ndarray):
        found.update(np.ascontiguousarray(values).tobytes())
    elif isinstance(values, dict):
        for name, tensor in values.items():
            found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    else:
        found.update("\n".join(values).encode())
    return found.hexdigest()


class TrainingState:
    """Where a training stands.

    Args:
        folder: of this training alone.
        identity: what decides its result, JSON-able.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path, self.identity = folder / STATE, identity

    def keep(self, networks: dict[str, nn.Module], optimiser: Optimiser, history: History) -> None:
        """Write the state after an epoch, replacing the one before it.

        Raises:
            UserError: the folder cannot be written, or the disk is full; the state before stays.
        """
        tensors, rest = optimiser.state()
        stored = {f"optimiser/{name}": tensor for name, tensor in tensors.items()}
        for part, network in networks.items():
            stored |= {f"{part}/{name}": tensor for name, tensor in network.state_dict().items()}
        epochs = [asdict(epoch) for epoch in history.epochs]
        header = {"identity": self.identity, "optimiser": rest, "history": epochs}
        checkpoint.keep(self.path, stored, header)

    def restore(self, networks: dict[str, nn.Module]) -> tuple[History, dict[str, Tensor], dict[str, Any]]:
        """Fill the networks with what is stored; the epochs done, and the optimiser's tensors and rest.

        Raises:
            UserError: the folder holds another training. (A broken file is none: the training begins anew.)
        """
        stored = checkpoint.kept(self.path)
        if stored is None:
            return History(), {}, {}
        tensors, header = stored
        found = header.get("identity")
        if found != self.identity:
            known = found if isinstance(found, dict) else {}
            differing = [key for key in self.identity if known.get(key) != self.identity[key]]
            raise UserError(
                f"holds a training that differs in {', '.join(differing)}",
                where=str(self.path),
                remedy="name another folder, or delete this one to train anew",
            )
        for part, network in networks.items():
            checkpoint.fill(network, _of(tensors, part), self.path, part)
        history = History([Epoch(**epoch) for epoch in header["history"]])
        return history, _of(tensors, "optimiser"), header["optimiser"]


def _of(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
