"""LPIPS by its definition, one picture and one layer at a time, and linear layers in the published form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TAPS: dict[str, tuple[int, ...]] = {"squeeze": (1, 4, 7, 9, 10, 11, 12), "alex": (1, 4, 7, 9, 11)}
"""Places in ``features`` whose output is compared (Zhang et al. 2018, 3)."""


def published_linear(net: str) -> dict[str, Tensor]:
    """The authors' linear layers, as torchmetrics brings them."""
    import torchmetrics.functional.image as package

    folder = Path(package.__file__).parent / "lpips_models"
    found: dict[str, Tensor] = torch.load(folder / f"{net}.pth", map_location="cpu", weights_only=True)
    return found


def drawn_linear(net: str, seed: int = 3) -> dict[str, Tensor]:
    """Random layers of the names and shapes of the published ones, not negative either."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(one.shape, generator=generator) for name, one in published_linear(net).items()}


@torch.no_grad()
def by_definition(
    net: str, model: Any, linear: Mapping[str, Tensor], clean: Tensor, changed: Tensor
) -> list[float]:
    """Squared differences of unit channel vectors, weighted, averaged over places, summed over layers.

    Args:
        net: a key of ``TAPS``.
        model: torchvision's, in evaluation mode.
        linear: ``linN.model.1.weight`` (1, C, 1, 1) each.
        clean: (B,3,H,W) in [0,1].
        changed: the same shape.
    """
    found = []
    for one, other in zip(clean, changed, strict=True):
        total, layer = 0.0, 0
        values = [
            ((2 * x - 1) - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
            / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
            for x in (one, other)
        ]
        values = [value[None] for value in values]
        for place, block in enumerate(model.features[: TAPS[net][-1] + 1]):
            values = [block(value.clone()) for value in values]
            if place in TAPS[net]:
                units = [v[0].double() / (1e-8 + v[0].double().square().sum(0)).sqrt() for v in values]
                weight = linear[f"lin{layer}.model.1.weight"].double().flatten()
                total += float(((units[0] - units[1]).square() * weight[:, None, None]).sum(0).mean())
                layer += 1
        found.append(total)
    return found
