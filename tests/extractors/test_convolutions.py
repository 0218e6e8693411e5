"""Frozen convolutions: the values and gradients of the layers they stand for, on every path."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from elliot_advrec.extractors.activations import LeanReLU6
from elliot_advrec.extractors.convolutions import FrozenConvolution, fuse
from elliot_advrec.extractors.folding import Pair

LAYERS = [
    pytest.param({"in_channels": 8, "out_channels": 12, "kernel_size": 1}, id="pointwise"),
    pytest.param(
        {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1}, id="stem"
    ),
    pytest.param(
        {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "padding": 1, "groups": 8}, id="depthwise"
    ),
    pytest.param(
        {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1, "groups": 8},
        id="strided depthwise",
    ),
    pytest.param(
        {"in_channels": 8, "out_channels": 8, "kernel_size": 5, "stride": 2, "padding": 2, "groups": 4},
        id="strided groups",
    ),
    pytest.param(
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 2, "dilation": 2}, id="dilated"
    ),
]


def network(clamped: bool, **settings: int) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(**settings), LeanReLU6() if clamped else nn.Identity())
    made[0].weight.data.mul_(24)  # so that both ends of the clamp are met
    return made.requires_grad_(False)


def fused(plain: nn.Sequential) -> nn.Sequential:
    made = copy.deepcopy(plain)
    fuse(made, [Pair("0", "1")])
    assert type(made[0]) is FrozenConvolution
    assert type(made[1]) is nn.Identity
    return made


def gradient(layer: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    given = pixels.detach().clone().requires_grad_()
    found = layer(given * 1)  # not a leaf, as inside a network
    weights = torch.linspace(-1, 1, found.numel()).view(found.shape).to(found.dtype)
    (slope,) = torch.autograd.grad((found * weights).sum(), given)
    return found.detach(), slope


@pytest.mark.parametrize("clamped", [True, False])
@pytest.mark.parametrize("settings", LAYERS)
def test_values_and_gradients_are_those_of_the_plain_layers(settings: dict[str, int], clamped: bool) -> None:
    plain = network(clamped, **settings)
    pixels = 2 * torch.rand(3, settings["in_channels"], 9, 9).to(memory_format=torch.channels_last)
    (expected, wanted), (found, slope) = gradient(plain, pixels), gradient(fused(plain), pixels)
    if clamped:
        assert (expected == 0).any()
        assert (expected == 6).any()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(slope, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", LAYERS)
def test_bf16_is_the_rounded_function(settings: dict[str, int]) -> None:
    plain = network(True, **settings).bfloat16()
    pixels = torch.rand(3, settings["in_channels"], 9, 9).bfloat16().to(memory_format=torch.channels_last)
    (expected, wanted), (found, slope) = (
        gradient(plain.float(), pixels.float()),
        gradient(fused(plain.bfloat16()), pixels),
    )
    assert found.dtype == slope.dtype == torch.bfloat16
    assert float((found.float() - expected).abs().max()) < 0.05
    # A value next to an end of the clamp may fall on its other side: most gradients agree, not each.
    near = (slope.float() - wanted).abs() <= 0.02 * wanted.abs().max()
    assert float(near.float().mean()) > 0.98


def test_float64_takes_the_plain_path() -> None:
    layer = fused(network(True, in_channels=2, out_channels=3, kernel_size=3)).double()
    pixels = torch.rand(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (pixels,))


def test_layers_that_cannot_be_fused_are_left() -> None:
    odd = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding="same"),
        LeanReLU6(),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
        LeanReLU6(),
    )
    fuse(odd, [Pair("0", "1"), Pair("2", "3")])
    assert [type(layer) for layer in odd] == [nn.Conv2d, LeanReLU6, nn.Conv2d, LeanReLU6]
