"""The view of an extractor that attacks run on: evaluation mode, folded, no parameter gradients."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.convolutions import fuse
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.features import Features
from elliot_advrec.extractors.folding import Pair, find_pairs, pour, randomise, strip
from elliot_advrec.processes import ALONE, Group

TOLERANCE = 1e-4
"""Largest relative difference between the folded and the original embedding."""
Precision = Literal["float32", "bf16"]
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def resolve_precision(name: str, device: str) -> Precision:
    """``auto`` as what is fast on this machine: bf16 where the device multiplies it natively, else float32.

    Args:
        name: auto, float32 or bf16.
        device: its type, ``cpu`` or ``cuda``.
    """
    if name != "auto":
        return "bf16" if name == "bf16" else "float32"
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # Elsewhere oneDNN emulates it, slower than float32. The probes of some versions of PyTorch are missing.
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return "bf16" if any(getattr(torch.cpu, probe, lambda: False)() for probe in probes) else "float32"


class FrozenExtractor(nn.Module):
    """A copy of an extractor made for gradients with respect to pixels.

    It shares nothing with the extractor it was made from: neither its mode nor its BatchNorm statistics can
    be changed by an attack. ``folded`` says whether BatchNorm could be folded into the convolutions; where
    the folded copy disagrees with the original by more than ``TOLERANCE``, an unfolded one is kept.

    Args:
        extractor: what to view; left as it is.
        precision: number format of the backbone; embeddings and logits are float32 either way.
        compiled: whether to run ``torch.compile`` on the backbone (slow first call, needs a C++ compiler).
        group: processes that all ask for the same pictures at the same time: each computes its share of them.

    Raises:
        UserError: unknown precision.
    """

    def __init__(
        self,
        extractor: Extractor,
        precision: Precision = "float32",
        *,
        compiled: bool = False,
        group: Group = ALONE,
    ) -> None:
        super().__init__()
        self.group = group
        if precision not in _DTYPES:
            raise UserError(f"unknown precision '{precision}'", remedy="known: " + ", ".join(_DTYPES))
        self.config, self.image_size = extractor.config, extractor.image_size
        self.categories, self.attribute_names = extractor.categories, extractor.attribute_names
        self.embedding_dim, self.precision = extractor.embedding_dim, precision
        self._pairs = _trusted_pairs(extractor)
        self.network = copy.deepcopy(extractor)
        strip(self.network.backbone, self._pairs)
        self.network.backbone.to(dtype=_DTYPES[precision])
        self.network.requires_grad_(False)
        fuse(self.network.backbone, self._pairs)
        self.to(memory_format=torch.channels_last)
        self.train(False)
        self._unsound = torch.zeros(())
        self.refresh(extractor)
        self._backbone = (torch.compile(self.network.backbone) if compiled else self.network.backbone,)

    @property
    def folded(self) -> bool:
        """Whether BatchNorm was folded into the convolutions."""
        return bool(self._pairs)

    def train(self, mode: bool = True) -> FrozenExtractor:
        """Stays in evaluation mode, whoever asks."""
        super().train(False)
        return self

    @torch.no_grad()
    def refresh(self, extractor: Extractor) -> None:
        """Take over the present weights and statistics of ``extractor``, in place.

        Args:
            extractor: the one this view was made from, on the same device or not.
        """
        pour(extractor.backbone, self.network.backbone, self._pairs)
        skipped = {
            f"backbone.{pair.convolution}.{leaf}" for pair in self._pairs for leaf in ("weight", "bias")
        }
        present = dict(extractor.named_parameters()) | dict(extractor.named_buffers())
        for name, tensor in [*self.network.named_parameters(), *self.network.named_buffers()]:
            if name not in skipped:
                tensor.copy_(present[name])
        # oneDNN's clamp makes 0 of NaN; weights that are not finite must stay visible in what they give.
        sums = [tensor.sum(dtype=torch.float32) for tensor in self.network.backbone.parameters()]
        self._unsound = torch.stack(sums).sum() * 0

    def embed(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels in [0, 1] to (B, D) float32 embeddings, not normalised to unit length."""
        if self.group.size == 1:
            return self.embed_alone(pixels)
        shared: Tensor = _Shared.apply(pixels, self)
        return shared

    def embed_alone(self, pixels: Tensor) -> Tensor:
        """``embed``, all of it in this process."""
        normal = (pixels - self.network.mean) / self.network.std
        normal = normal.to(_DTYPES[self.precision], memory_format=torch.channels_last)
        embedding: Tensor = self.network.projection(self._backbone[0](normal).float())
        unsound = pixels.detach().flatten(1).sum(1, keepdim=True) * 0  # NaN where a pixel is not finite
        return embedding + (self._unsound.to(embedding.device) + unsound)

    def forward(self, pixels: Tensor) -> Features:
        """(B, 3, H, W) pixels in [0, 1] to embedding and logits, float32."""
        return self.network.classify(self.embed(pixels))


class _Shared(torch.autograd.Function):
    """Embeddings of a batch of which each process computes its share, and likewise the pixels' gradient."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, view: FrozenExtractor) -> Tensor:
        ctx.view, ctx.count = view, len(pixels)
        part = pixels.detach()[view.group.share(len(pixels))]
        with torch.set_grad_enabled(ctx.needs_input_grad[0]):
            ctx.part = part.requires_grad_(ctx.needs_input_grad[0])
            ctx.found = view.embed_alone(ctx.part)
        return view.group.gather(ctx.found.detach(), ctx.count)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        group = ctx.view.group
        (mine,) = torch.autograd.grad(ctx.found, ctx.part, gradient[group.share(ctx.count)])
        return group.gather(mine, ctx.count), None


def _trusted_pairs(extractor: Extractor) -> list[Pair]:
    """The pairs whose folding was seen to change nothing, tried on a copy with random statistics."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, extractor.image_size, extractor.image_size, generator=generator)
    original = copy.deepcopy(extractor.backbone).cpu().float().eval()
    randomise(original, generator)
    pairs = find_pairs(original, pixels)
    folded = copy.deepcopy(original)
    strip(folded, pairs)
    pour(original, folded, pairs)
    with torch.no_grad():
        expected, found = original(pixels), folded(pixels)
    difference = (expected - found).abs().max() / expected.abs().max()
    return pairs if difference <= TOLERANCE else []
