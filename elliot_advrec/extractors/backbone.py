"""A timm backbone by name, with random, ImageNet or a file's weights."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.activations import lean

OUT = (
    "write weights: none, or weights: /path/to/file with a state dict of this backbone,"
    " or fill the hub cache (HF_HOME) on a machine with a connection and copy it here"
)
"""The ways out when ImageNet weights cannot be fetched."""
PROBE_SECONDS = 8.0
"""How long a hub may take to answer before it counts as out of reach."""


def check_backbone(name: str, where: str | None = None) -> None:
    """Refuse a name that timm does not know.

    Raises:
        UserError: with the nearest known one.
    """
    if not timm.is_model(name.partition(".")[0]):
        raise UserError(f"unknown backbone '{name}'", where=where, remedy=_closest(name, timm.list_models()))


def create_backbone(
    name: str, weights: str, image_size: int
) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """The backbone, the width of its pooled output, and the mean and std it normalises with.

    Args:
        name: a timm model name, with or without pretrained tag.
        weights: ``none``, ``imagenet``, or a file's path.
        image_size: side of the pictures in pixels; only backbones with position embeddings mind.

    Raises:
        UserError: unknown name, or weights that cannot be had or do not fit.
    """
    check_backbone(name)
    model = (
        _build(name, image_size, pretrained=False) if weights != "imagenet" else _imagenet(name, image_size)
    )
    if weights not in ("none", "imagenet"):
        load_file(model, Path(weights).expanduser(), name)
    lean(model)
    with torch.no_grad():
        was_training = model.training
        width = int(model.eval()(torch.zeros(1, 3, image_size, image_size)).shape[1])
        model.train(was_training)
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    return model, width, tuple(cfg["mean"]), tuple(cfg["std"])


def load_file(model: nn.Module, path: Path, name: str) -> None:
    """Fill ``model`` from a state dict in a ``.safetensors`` or torch file; code in it is never run.

    A training wrapper (``state_dict``, ``model``), a ``module.`` prefix and the classifier of the full timm
    model are accepted, as is an extractor saved by this package.

    Raises:
        UserError: no such file, not a state dict, code inside, or another architecture.
    """
    if not path.is_file():
        raise UserError(f"no weights at '{path}'", remedy="write none, imagenet or the path of a file")
    tensors = checkpoint.read(path)[0] if path.suffix == ".safetensors" else _torch_file(path)
    for prefix in ("module.", "_orig_mod."):
        tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    if any(key.startswith("backbone.") for key in tensors):
        tensors = {k.removeprefix("backbone."): t for k, t in tensors.items() if k.startswith("backbone.")}
    classifier = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    checkpoint.fill(model, tensors, path, name, ignored=tuple(f"{head}." for head in heads))


def _closest(name: str, known: list[str]) -> str:
    """The nearest timm name; the full list is too long to print."""
    hint, separator, _ = nearest(name, known).partition("known: ")
    return f"{hint}timm.list_models() lists all {len(known)}" if separator else hint


def _build(name: str, image_size: int, *, pretrained: bool) -> nn.Module:
    """``timm.create_model`` for this picture size: transformers need to be told, the others refuse it."""
    options: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0}
    try:
        model: nn.Module = timm.create_model(name, img_size=image_size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        model = timm.create_model(name, **options)
    return model


def _imagenet(name: str, image_size: int) -> nn.Module:
    """The backbone with timm's pretrained weights, or one sentence soon when they cannot be had."""
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        raise UserError(f"timm has no ImageNet weights for '{name}'", remedy=OUT)
    if cfg.hf_hub_id and not _within_reach(cfg.hf_hub_id):
        raise UserError(
            f"the ImageNet weights of '{name}' are not in the cache and cannot be downloaded", remedy=OUT
        )
    try:
        return _build(name, image_size, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise UserError(f"the ImageNet weights of '{name}' cannot be had ({reason})", remedy=OUT) from error


def _within_reach(repository: str) -> bool:
    """Whether the weights are cached or the hub answers; one try, where timm's own takes most of a minute."""
    import huggingface_hub as hub

    names = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(hub.try_to_load_from_cache(repository, name), str) for name in names):
        return True
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, names[0]), timeout=PROBE_SECONDS)
    except hub.utils.EntryNotFoundError:
        return True  # the hub answered; timm knows the other file names
    except Exception:  # whatever its HTTP library raises, it means out of reach
        return False
    return True


def _torch_file(path: Path) -> dict[str, Tensor]:
    """The state dict in a torch file, read without running code."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            "holds more than tensors, or is no checkpoint at all; it was not run",
            where=str(path),
            remedy="save its state dict alone, best as .safetensors",
        ) from error
    except Exception as error:  # a file of any other kind fails in torch's reader in many ways
        raise UserError(
            f"is not a checkpoint ({type(error).__name__})",
            where=str(path),
            remedy="name a .safetensors or .pth state dict",
        ) from error
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise UserError("is not a state dict", where=str(path), remedy="save model.state_dict() alone")
    return {str(key): tensor for key, tensor in found.items()}
