"""The state of a training after its last whole epoch, in one file, so that a killed one goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint
from elliot_advrec.recommenders.bpr.history import History
from elliot_advrec.recommenders.bpr.network import Network
from elliot_advrec.recommenders.embeddings import BLOCK

STATE = "recommender_training.safetensors"


def digest(*arrays: np.ndarray | None) -> str:
    """Hex digest of arrays, read a block of rows at a time."""
    hashed = hashlib.blake2b(digest_size=16)
    for array in arrays:
        if array is None:
            hashed.update(b"none")
            continue
        hashed.update(str((array.shape, array.dtype.str)).encode())
        for start in range(0, len(array), BLOCK):
            hashed.update(np.ascontiguousarray(array[start : start + BLOCK]).tobytes())
    return hashed.hexdigest()


class TrainingState:
    """Where a training stands.

    Args:
        folder: of this training alone.
        identity: all that decides its result, JSON-able.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        # As it comes back from the file: tuples become lists there.
        self.path, self.identity = folder / STATE, json.loads(json.dumps(identity))

    def keep(
        self, network: Network, best: dict[str, Tensor], optimiser: torch.optim.Optimizer, history: History
    ) -> None:
        """Write the state after an epoch, replacing the one before it.

        Raises:
            UserError: the folder cannot be written, or the disk is full; the state before stays.
        """
        tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
        for number, slots in optimiser.state_dict()["state"].items():
            tensors |= {
                f"optimiser/{number}/{name}": slot for name, slot in slots.items() if slot is not None
            }
        checkpoint.keep(self.path, tensors, {"identity": self.identity, "history": history.to_json()})

    def restore(
        self, network: Network, optimiser: torch.optim.Optimizer
    ) -> tuple[History, dict[str, Tensor]]:
        """Put the stored state into both, or leave them as they are; the epochs done, and the best weights.

        Raises:
            UserError: the folder holds another training. (A broken file is none: the training begins anew.)
        """
        stored = checkpoint.kept(self.path)
        if stored is None:
            return History(), {}
        tensors, header = stored
        found = header.get("identity")
        if found != self.identity:
            other = found if isinstance(found, dict) else {}
            differing = [key for key in self.identity if other.get(key) != self.identity[key]]
            raise UserError(
                f"holds a training that differs in {', '.join(differing)}",
                where=str(self.path),
                remedy="name another folder, or delete this one to train anew",
            )
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        network.load_state_dict(parts["network"])
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            number, _, slot = name.partition("/")
            slots.setdefault(int(number), {})[slot] = tensor
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": slots, "param_groups": groups})
        return History.from_json(header["history"]), parts["best"]
