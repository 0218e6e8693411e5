"""Convolutions of a frozen view: ReLU6 in the same kernel, and no slow bf16 gradient on the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from elliot_advrec.extractors.activations import LeanReLU6
from elliot_advrec.extractors.folding import Pair

_CLAMP = LeanReLU6()


@cache
def _supported(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has oneDNN, and oneDNN kernels of this number format for this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    probe = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return dtype == torch.float32 or (dtype == torch.bfloat16 and probe is not None and bool(probe()))


class _Frozen(torch.autograd.Function):
    """A oneDNN convolution, clamped to [0, 6] where ``layer.clamped``, differentiable in its input alone."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, layer: FrozenConvolution) -> Tensor:
        after: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0]) if layer.clamped else ("none", [])
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            given, layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups,
            *after, "",
        )  # fmt: skip
        ctx.layer, ctx.shape = layer, given.shape
        if layer.clamped:
            ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        layer: FrozenConvolution = ctx.layer
        gradient, weight = gradients[0], layer.weight
        if layer.clamped:
            # It passes where 0 < value < 6 before the clamp, which the value after it tells as well.
            gradient = torch.ops.aten.hardtanh_backward(gradient, *ctx.saved_tensors, 0.0, 6.0)
        kind = gradient.dtype
        if layer.groups > 1 and max(layer.stride) > 1:
            # oneDNN has no bf16 kernel for this gradient: its reference loop takes forty times as long as the
            # float32 kernel, and four such layers take most of the time of a MobileNet's gradient.
            gradient, weight = gradient.float(), weight.float()
        # Only shape and layout of the input decide its gradient: memory that is never touched stands for it.
        given = torch.empty(ctx.shape, dtype=gradient.dtype, memory_format=torch.channels_last)
        found: Tensor = torch.ops.aten.convolution_backward(
            gradient, given, weight, None, layer.stride, layer.padding, layer.dilation,
            False, (0, 0), layer.groups, (True, False, False),
        )[0]  # fmt: skip
        return found.to(kind), None


class FrozenConvolution(nn.Conv2d):
    """An ``nn.Conv2d`` whose weights never get a gradient, clamped to [0, 6] where ``clamped``.

    The values and gradients are those of the convolution and ``nn.ReLU6``, but for NaN, of which the fused
    kernel may make 0. Elsewhere than on a CPU with oneDNN, and in other number formats than float32 and bf16,
    it computes exactly those two.
    """

    clamped: bool

    def forward(self, given: Tensor) -> Tensor:
        fused = (
            given.device.type == "cpu"
            and given.dtype == self.weight.dtype
            and _supported(given.dtype)
            and not torch.compiler.is_compiling()
        )
        if fused:
            found: Tensor = _Frozen.apply(given, self)
            return found
        plain = super().forward(given)
        return _CLAMP(plain) if self.clamped else plain


def fuse(network: nn.Module, pairs: list[Pair]) -> None:
    """Make the convolutions of ``network`` frozen ones, with the ReLU6 where their BatchNorm was.

    Args:
        network: stripped of the BatchNorms of ``pairs``; its weights need no gradient.
        pairs: which module follows which convolution, and nothing else does.
    """
    for pair in pairs:
        convolution = network.get_submodule(pair.convolution)
        if type(convolution) is not nn.Conv2d or isinstance(convolution.padding, str):
            continue
        if convolution.padding_mode != "zeros":
            continue
        parent, _, leaf = pair.norm.rpartition(".")
        holder = network.get_submodule(parent)
        clamped = type(getattr(holder, leaf)) is LeanReLU6
        if clamped:
            setattr(holder, leaf, nn.Identity())
        convolution.__class__ = FrozenConvolution
        vars(convolution)["clamped"] = clamped
