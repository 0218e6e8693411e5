"""BatchNorm of a network in evaluation mode, folded into the convolution before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, nn

# Exactly these: a subclass may change its weights on the way (weight standardisation) and cannot be folded.
CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
NORMS = (nn.BatchNorm2d, BatchNormAct2d)


@dataclass(frozen=True)
class Pair:
    """A convolution and the BatchNorm that reads its output and nothing else, by module name."""

    convolution: str
    norm: str


def find_pairs(network: nn.Module, pixels: Tensor) -> list[Pair]:
    """Which BatchNorms read a convolution's output directly, seen by running ``network`` once.

    Running finds them in any architecture, whatever its control flow and its names.

    Args:
        network: in evaluation mode.
        pixels: (b, 3, H, W), any values.
    """
    outputs: dict[int, tuple[str, Tensor]] = {}
    calls: dict[str, int] = {}
    pairs: list[Pair] = []
    hooks = []

    def after_convolution(name: str, output: Tensor) -> None:
        calls[name] = calls.get(name, 0) + 1
        # The tensor is kept too, so that its identity is not given to a later one.
        outputs[id(output)] = (name, output)

    def before_norm(name: str, module: nn.Module, given: Tensor) -> None:
        calls[name] = calls.get(name, 0) + 1
        if id(given) in outputs and module.running_mean is not None:
            pairs.append(Pair(outputs[id(given)][0], name))

    for name, module in network.named_modules():
        if type(module) in CONVOLUTIONS:
            hooks.append(
                module.register_forward_hook(lambda m, i, out, name=name: after_convolution(name, out))
            )
        elif type(module) in NORMS:
            hooks.append(
                module.register_forward_pre_hook(lambda m, args, name=name: before_norm(name, m, args[0]))
            )
    try:
        with torch.no_grad():
            network(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    # A layer that is used twice has two readers or two inputs; folding one would change the other.
    return [pair for pair in pairs if calls[pair.convolution] == 1 and calls[pair.norm] == 1]


def strip(network: nn.Module, pairs: list[Pair]) -> None:
    """Take the BatchNorms of ``pairs`` out of ``network``; their convolutions get a bias to be filled."""
    for pair in pairs:
        convolution = network.get_submodule(pair.convolution)
        assert isinstance(convolution, nn.Conv2d)
        if convolution.bias is None:
            convolution.bias = nn.Parameter(torch.zeros_like(convolution.weight[:, 0, 0, 0]), False)
        norm = network.get_submodule(pair.norm)
        rest = norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()
        parent, _, leaf = pair.norm.rpartition(".")
        setattr(network.get_submodule(parent), leaf, rest)


@torch.no_grad()
def pour(source: nn.Module, stripped: nn.Module, pairs: list[Pair]) -> None:
    """Write the folded weights of ``source`` into ``stripped``: w' = w g / s, b' = (b - m) g / s + c.

    m and s are the running mean and deviation of the BatchNorm, g and c its scale and shift.
    """
    for pair in pairs:
        convolution, norm = source.get_submodule(pair.convolution), source.get_submodule(pair.norm)
        target = stripped.get_submodule(pair.convolution)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(target, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        assert target.bias is not None
        scale = (norm.running_var + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight
        shift = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
        bias = shift * scale
        if norm.bias is not None:
            bias = bias + norm.bias
        target.weight.copy_(convolution.weight * scale.view(-1, 1, 1, 1))
        target.bias.copy_(bias)


@torch.no_grad()
def randomise(network: nn.Module, generator: torch.Generator) -> None:
    """Give every BatchNorm statistics that are not those of an identity, so that folding is really tried."""
    for module in network.modules():
        if isinstance(module, NORMS) and module.running_mean is not None and module.running_var is not None:
            size = module.running_mean.shape
            module.running_mean.copy_(torch.randn(size, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(size, generator=generator) + 0.5)
            if module.weight is not None:
                module.weight.copy_(torch.rand(size, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(size, generator=generator) * 0.1)
