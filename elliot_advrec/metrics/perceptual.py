"""How much of an attack an eye would see, and what is left of it in 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

LEVELS = 255

# In levels: float32 holds multiples of 1/255 to about 2e-5 levels, which must not decide a rounding.
SLACK = 1e-4


def ssim(clean: Tensor, changed: Tensor) -> Tensor:
    """(B,) structural similarity (Wang et al. 2004, Gaussian window of 11 pixels), 1 for equal images.

    Args:
        clean: (B,3,H,W) in [0,1], H and W at least 6.
        changed: the same shape.

    Raises:
        ValueError: shapes differ, or images smaller than the window's padding.
    """
    _same_shape(clean, changed)
    if min(clean.shape[-2:]) < 6:
        raise ValueError(f"SSIM's window needs images of 6 pixels or more, got {tuple(clean.shape[-2:])}")
    if not len(clean):
        return clean.new_zeros(0)
    value = structural_similarity_index_measure(changed, clean, data_range=1.0, reduction="none")
    return value.reshape(len(clean)) if isinstance(value, Tensor) else value[0].reshape(len(clean))


def psnr(clean: Tensor, changed: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB for a peak of 1; infinite for equal images."""
    _same_shape(clean, changed)
    return -10.0 * torch.log10((changed - clean).flatten(1).square().mean(1))


def linf(clean: Tensor, changed: Tensor) -> Tensor:
    """(B,) largest absolute change of a channel of a pixel, in units of [0,1]."""
    _same_shape(clean, changed)
    return (changed - clean).flatten(1).abs().amax(1)


def l2(clean: Tensor, changed: Tensor) -> Tensor:
    """(B,) Euclidean length of the change over all pixels and channels, in units of [0,1]."""
    _same_shape(clean, changed)
    return torch.linalg.vector_norm((changed - clean).flatten(1), dim=1)


def measure(clean: Tensor, changed: Tensor) -> dict[str, Tensor]:
    """``ssim``, ``psnr``, ``linf`` and ``l2`` of each image, (B,) each."""
    return {
        "ssim": ssim(clean, changed),
        "psnr": psnr(clean, changed),
        "linf": linf(clean, changed),
        "l2": l2(clean, changed),
    }


def round_to_8_bits(images: Tensor, clean: Tensor | None = None, eps: float | None = None) -> Tensor:
    """The images that 8-bit files would hold: each value on a multiple of 1/255.

    Rounding to the nearest level can carry a value out of an attack's ball by half a level. With ``clean``
    it never does, provided the clean image is itself on the lattice.

    Args:
        images: (B,3,H,W) in [0,1].
        clean: (B,3,H,W) in [0,1], the ball's centre. Alone: each value goes to the level next to it on the
            side of the clean image, so the change shrinks in every norm.
        eps: L-infinity radius in units of [0,1]; needs ``clean``. Each value goes to the nearest level within
            the radius; where a clean value between two levels has none there, to the level nearest to it.

    Returns:
        (B,3,H,W) of the type of ``images``, in [0,1].
    """
    levels = images.clamp(0.0, 1.0) * LEVELS
    if clean is None:
        if eps is not None:
            raise ValueError("eps is a radius around the clean images: pass them too")
        return levels.round_().div_(LEVELS)
    _same_shape(clean, images)
    centre = clean * LEVELS
    if eps is None:
        nearest = levels.round()
        # A value that arithmetic left a hair off its level is on it.
        on_level = (levels - nearest).abs() <= SLACK
        inward = torch.where(levels > centre, levels.floor(), levels.ceil())
        return torch.where(on_level, nearest, inward).div_(LEVELS)
    reach = eps * LEVELS + SLACK
    lowest, highest = (centre - reach).ceil_(), (centre + reach).floor_()
    none_inside = lowest > highest
    centre = centre.round_()
    lowest, highest = torch.where(none_inside, centre, lowest), torch.where(none_inside, centre, highest)
    return levels.round_().clamp_(lowest, highest).clamp_(0, LEVELS).div_(LEVELS)


def _same_shape(clean: Tensor, changed: Tensor) -> None:
    if clean.shape != changed.shape:
        raise ValueError(f"images of {tuple(changed.shape)} cannot be compared with {tuple(clean.shape)}")
