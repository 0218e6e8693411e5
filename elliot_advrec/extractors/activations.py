"""ReLU6 without the copy that PyTorch's own in-place form makes for its gradient."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _ClampInPlace(torch.autograd.Function):
    """Clamp to [0, 6] that remembers its result alone.

    The gradient passes exactly where 0 < input < 6, which the result tells as well as the input does; PyTorch
    keeps the input, and so copies it. Attacks on MobileNets spend a tenth of their time on that copy.
    """

    @staticmethod
    def forward(ctx: Any, given: Tensor) -> Tensor:
        result = given.clamp_(0, 6)
        ctx.mark_dirty(result)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        found: Tensor = torch.ops.aten.hardtanh_backward(gradients[0], result, 0.0, 6.0)
        return found


class LeanReLU6(nn.Module):
    """min(max(x, 0), 6), in place; the same values and first gradients as ``nn.ReLU6``."""

    def forward(self, given: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or (given.is_leaf and given.requires_grad):
            return F.relu6(given)
        found: Tensor = _ClampInPlace.apply(given)
        return found


def lean(network: nn.Module) -> None:
    """Swap each in-place ``nn.ReLU6`` of ``network`` for ``LeanReLU6``."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.ReLU6 and child.inplace:
                setattr(parent, name, LeanReLU6())
