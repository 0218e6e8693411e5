"""Learned perceptual distance, with weights from local files: nothing is ever downloaded."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.backbone import load_file

Net = Literal["vgg", "alex", "squeeze"]
SMALLEST: dict[Net, int] = {"vgg": 16, "alex": 31, "squeeze": 17}
"""Sides of the smallest pictures, in pixels, that each backbone's poolings leave something of."""
BACKBONES: dict[Net, str] = {"vgg": "vgg16", "alex": "alexnet", "squeeze": "squeezenet1_1"}
"""torchvision's names."""
PUBLISHED: dict[Net, str] = {
    "vgg": "vgg16-397923af.pth",
    "alex": "alexnet-owt-7be5be79.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""The files of ImageNet weights that torchvision distributes."""


class _Weights(nn.Module):
    """Receives the entries of a whole classifier's file under the names that they have there."""

    pretrained_cfg: ClassVar[dict[str, Any]] = {"classifier": ("classifier", "pre_logits", "head")}

    def __init__(self, blocks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.features = nn.ModuleDict(blocks)


def lpips_network(
    path: Path, net: Net = "vgg", device: str | torch.device = "cpu", linear: Path | None = None
) -> nn.Module:
    """The network of LPIPS (Zhang et al. 2018): a backbone with ImageNet weights, and linear layers over it.

    The linear layers, version 0.1, come with torchmetrics too; the backbone's weights do not.

    Args:
        path: state dict of torchvision's ``vgg16``, ``alexnet`` or ``squeezenet1_1`` trained on ImageNet, as
            torchvision distributes it (``PUBLISHED``) or as safetensors; read without running code.
        net: which of them; Anelli et al. 2020 report ``vgg``.
        device: where it is put.
        linear: state dict of the linear layers as their authors distribute it (``v0.1/vgg.pth``) or as
            safetensors; None: those of torchmetrics.

    Returns:
        Frozen and in evaluation mode, for ``lpips``.

    Raises:
        UserError: no such file, not a state dict, or another network's; says which file would be right.
    """
    # Layers draw first weights from the global generator; forking leaves the caller's randomness alone.
    with torch.random.fork_rng(devices=[]):
        made: Any = torchmetrics_lpips._NoTrainLpips(pretrained=False, net=net, pnet_rand=True)
    heads = Path(inspect.getfile(torchmetrics_lpips)).with_name("lpips_models") / f"{net}.pth"
    found = made.load_state_dict(torch.load(heads, map_location="cpu", weights_only=True), strict=False)
    # "lins" are the same layers once more; the backbone, "net", is filled below.
    if found.unexpected_keys or any(not key.startswith(("lins.", "net.")) for key in found.missing_keys):
        raise RuntimeError(f"torchmetrics' {heads.name} does not fit its network")
    blocks = {name.rpartition(".")[2]: module for name, module in made.net.named_modules() if _is_block(name)}
    right = f"name torchvision's ImageNet weights of {BACKBONES[net]}, {PUBLISHED[net]}"
    _fill(_Weights(blocks), path, BACKBONES[net], right)
    if linear is not None:
        layers = nn.ModuleDict({f"lin{place}": layer for place, layer in enumerate(made.lins)})
        _fill(
            layers, linear, f"{net} (linear layers)", f"name the linear layers of LPIPS 0.1, v0.1/{net}.pth"
        )
    frozen: nn.Module = made.eval().requires_grad_(False).to(device)
    return frozen


def _fill(module: nn.Module, path: Path, name: str, right: str) -> None:
    """``load_file`` with a remedy that speaks of LPIPS."""
    path = path.expanduser()
    if not path.is_file():
        raise UserError(f"there is no file {path}", remedy=right)
    try:
        load_file(module, path, name)
    except UserError as error:
        raise UserError(error.what, where=error.where or str(path), remedy=right) from error


def _is_block(name: str) -> bool:
    """Whether a module is one entry of torchvision's ``features``: the number after the name of a slice."""
    parts = name.split(".")
    return parts[-1].isdigit() and len(parts) == (3 if parts[0] == "slices" else 2)


@torch.no_grad()
def lpips(network: nn.Module, clean: Tensor, changed: Tensor) -> Tensor:
    """(B,) learned perceptual distance, 0 for equal images; papers print it times 100.

    Args:
        network: of ``lpips_network``.
        clean: (B,3,H,W) in [0,1].
        changed: the same shape.

    Raises:
        ValueError: shapes differ, or images smaller than the backbone can see.
    """
    if clean.shape != changed.shape:
        raise ValueError(f"images of {tuple(changed.shape)} cannot be compared with {tuple(clean.shape)}")
    smallest = SMALLEST[network.pnet_type]  # type: ignore[index]
    if min(clean.shape[-2:]) < smallest:
        raise ValueError(f"LPIPS needs images of {smallest} pixels or more, got {tuple(clean.shape[-2:])}")
    if not len(clean):
        return clean.new_zeros(0)
    found: Tensor = network(clean, changed, normalize=True)
    return found.flatten()
