"""A description of pictures without a network: its colours, its edges, how fine its texture is.

It stands in for what users see where a catalog has no labels to have a taste for. Plain colour, gradient
(Dalal and Triggs 2005) and spectrum statistics: enough to know a striped red dress from a plain blue shoe.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from elliot_advrec.data.pixel_file import PixelFile

WORKING_SIZE = 64
"""Side in pixels at which every picture is described, so that the numbers do not depend on its size."""
_COMPONENTS = {"colour": 16, "edges": 16, "texture": 12}
_BINS = 8
_EDGE_CELLS = 6
_LUMA = (0.299, 0.587, 0.114)


def visual_features(pixels: PixelFile, batch: int = 128) -> np.ndarray:
    """(N, F) float32, F at most 44: unit length, and colour, edges and texture weigh the same.

    Pictures are read ``batch`` at a time. Each of the three descriptions is reduced to its principal
    components over the whole file, so that a few strong directions remain.
    """
    described: dict[str, list[np.ndarray]] = {name: [] for name in _COMPONENTS}
    for start in range(0, len(pixels), batch):
        images = pixels.floats(range(start, min(start + batch, len(pixels))))
        side = (WORKING_SIZE, WORKING_SIZE)
        images = functional.interpolate(images, side, mode="bilinear", antialias=True, align_corners=False)
        grey = (images * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(1)
        described["colour"].append(_colour(images).numpy())
        described["edges"].append(_edges(grey).numpy())
        described["texture"].append(_spectrum(grey).numpy())
    if not len(pixels):
        return np.zeros((0, sum(_COMPONENTS.values())), np.float32)
    parts = [_reduced(np.concatenate(rows), _COMPONENTS[name]) for name, rows in described.items()]
    return _unit(np.hstack([_unit(part) for part in parts]))


def _foreground(images: Tensor) -> Tensor:
    """(B, P): weights of the pixels, summing to one: unlike the picture's border, and near its middle."""
    frame = torch.cat([images[:, :, :2].flatten(2), images[:, :, -2:].flatten(2)], 2)
    unlike = (images.flatten(2) - frame.median(2, keepdim=True).values).square().sum(1)
    steps = torch.linspace(-1, 1, images.shape[-1])
    middle = torch.exp(-1.5 * (steps[:, None] ** 2 + steps[None, :] ** 2)).flatten()
    weight = (1 - torch.exp(-unlike / 0.02) + 0.02) * middle
    return weight / weight.sum(1, keepdim=True)


def _colour(images: Tensor) -> Tensor:
    """(B, 30): joint histogram of red, green and blue, three soft levels each, and the mean colour."""
    weight = _foreground(images)
    # Sharper levels would split one garment's light and shadow into different colours.
    levels = torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 3, 1)
    near = (1 - (images.flatten(2).unsqueeze(2) - levels).abs() / 0.4).clamp_min(0)
    near = near / near.sum(2, keepdim=True).clamp_min(1e-6)
    red, green, blue = near.unbind(1)
    pairs = torch.einsum("bip,bjp->bijp", red * weight.unsqueeze(1), green)
    joint = torch.einsum("bijp,bkp->bijk", pairs, blue).flatten(1)
    mean = torch.einsum("bcp,bp->bc", images.flatten(2), weight)
    return torch.cat([joint.clamp_min(0).sqrt(), mean], 1)


def _edges(grey: Tensor) -> Tensor:
    """(B, 288): gradient energy by direction in a 6 x 6 grid, normalised a picture."""
    dx = functional.pad(grey[:, :, 2:] - grey[:, :, :-2], (1, 1))
    dy = functional.pad(grey[:, 2:, :] - grey[:, :-2, :], (0, 0, 1, 1))
    strength = torch.hypot(dx, dy)
    place = (torch.atan2(dy, dx) % torch.pi) / torch.pi * _BINS
    bins = torch.arange(_BINS).view(1, _BINS, 1, 1)
    distance = (place.unsqueeze(1) - bins).abs()
    vote = (1 - torch.minimum(distance, _BINS - distance)).clamp_min(0) * strength.unsqueeze(1)
    cells = functional.adaptive_avg_pool2d(vote, _EDGE_CELLS).flatten(1)
    return functional.normalize(cells.sqrt(), dim=1)


def _spectrum(grey: Tensor) -> Tensor:
    """(B, 30): log power of the middle half by 5 scales and 6 directions."""
    quarter = grey.shape[-1] // 4
    patch = grey[:, quarter:-quarter, quarter:-quarter]
    window = torch.hann_window(patch.shape[-1], periodic=False)
    patch = (patch - patch.mean((1, 2), keepdim=True)) * window[:, None] * window[None, :]
    power = torch.fft.fftshift(torch.fft.fft2(patch).abs().square(), dim=(1, 2))
    frequency = torch.fft.fftshift(torch.fft.fftfreq(patch.shape[-1])) * patch.shape[-1]
    fy, fx = torch.meshgrid(frequency, frequency, indexing="ij")
    ring = torch.bucketize(torch.hypot(fx, fy), torch.tensor([1.5, 3.0, 5.0, 8.0, 16.0]))
    wedge = ((torch.atan2(fy, fx) % torch.pi) / torch.pi * 6 + 0.5).long() % 6
    cell = (ring.clamp(max=5) * 6 + wedge).flatten()
    sums = torch.zeros(len(grey), 36).index_add_(1, cell, power.flatten(1))
    return torch.log1p(10 * sums[:, 6:])


def _reduced(values: np.ndarray, components: int) -> np.ndarray:
    """Principal components (N, at most ``components``), strongest first, their signs fixed."""
    centred = values.astype(np.float64) - values.mean(0)
    strength, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, np.argsort(-strength, kind="stable")[:components]]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    scores = centred @ axes
    # Half-whitened: otherwise the first component, often mere size or brightness, drowns the others.
    spread = np.sqrt(np.maximum(scores.std(0), 1e-9))
    return (scores / spread).astype(np.float32)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-8)
