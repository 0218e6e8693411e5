"""Tensors on disk: safetensors with a JSON header, written whole or not at all; never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able header into one safetensors file, atomically.

    Raises:
        UserError: the file cannot be written.
    """
    # Cloned because safetensors refuses tensors that share memory, which tied weights do.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        # Not save_file, whose own error type hides that the disk is full.
        temporary.write_bytes(save(plain, metadata={"json": json.dumps(header, allow_nan=False)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the header of a file that ``write`` wrote.

    A safetensors file of another origin has an empty header.

    Raises:
        UserError: no such file, or not a whole safetensors file.
    """
    if not path.is_file():
        raise UserError("no such file", where=str(path))
    try:
        with safe_open(path, framework="pt", device="cpu") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            header = json.loads((stored.metadata() or {}).get("json", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise UserError(
            f"is not a whole safetensors file ({error})", where=str(path), remedy="write or fetch it again"
        ) from error
    return tensors, header if isinstance(header, dict) else {}


def keep(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """``write`` the state of a training with the SHA-256 of all of it, for ``kept``.

    Raises:
        UserError: the file cannot be written; the state before stays.
    """
    write(path, tensors, {**header, "sha256": _digest(tensors, header)})


def kept(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What ``keep`` wrote; None where there is nothing, or something that was cut off or changed since.

    A training without its state begins anew and ends the same, so damage is no error.
    """
    if not path.exists():
        return None
    try:
        tensors, header = read(path)
        expected = header.pop("sha256", None)
        return (tensors, header) if expected == _digest(tensors, header) else None
    except (UserError, TypeError, RecursionError):
        return None


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    # Through JSON first: tuples come back as lists, and numbers that name keys as text.
    plain = json.loads(json.dumps(header))
    found = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        found.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    backbone: str,
    *,
    ignored: tuple[str, ...] = (),
) -> None:
    """Copy ``tensors`` into ``module``; every entry of the module must be there, in its shape.

    Args:
        module: what receives them.
        tensors: by the module's own names.
        path: where they come from, for messages.
        backbone: the architecture that was asked for, for messages.
        ignored: prefixes of entries that the module may lack (a file's own classifier).

    Raises:
        UserError: the entries are those of another architecture.
    """
    own = module.state_dict()
    wrong = [n for n, t in own.items() if n not in tensors or tensors[n].shape != t.shape]
    # Counters of old BatchNorm files: absent from many, and of no effect on the result.
    wrong = [n for n in wrong if not n.endswith("num_batches_tracked")]
    extra = [n for n in tensors if n not in own and not n.startswith(ignored or ("\0",))]
    if wrong or extra:
        named = (wrong or extra)[0]
        raise UserError(
            f"does not fit the backbone '{backbone}': {len(wrong)} of {len(own)} entries are missing or of"
            f" another shape and {len(extra)} are unknown, the first '{named}'",
            where=str(path),
            remedy="name the backbone it was saved from",
        )
    module.load_state_dict({n: tensors.get(n, t) for n, t in own.items()})
