"""Filters that are networks: architecture, sizes, files, gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from filter_contract import make, pictures
from safetensors.torch import save_file
from torch import nn

from elliot_advrec.errors import UserError
from elliot_advrec.filters.attention import GlobalAttention
from elliot_advrec.filters.reconstruction import Reconstruction, ReconstructionConfig, ResidualBlock
from elliot_advrec.filters.unet import UNet, UNetConfig
from elliot_advrec.streams import Streams


def test_the_papers_network_is_the_default() -> None:
    network = Reconstruction().network
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [c.kernel_size[0] for c in convolutions] == [9, *[3] * 18, 3, 9]
    assert all(c.stride == (1, 1) for c in convolutions)
    assert {c.out_channels for c in convolutions[:-1]} == {64}
    assert sum(isinstance(module, ResidualBlock) for module in network.modules()) == 9
    assert sum(isinstance(module, GlobalAttention) for module in network.modules()) == 1
    block = next(module for module in network.modules() if isinstance(module, ResidualBlock))
    kinds = [type(layer) for layer in block.body]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.PReLU, nn.Conv2d, nn.BatchNorm2d]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


def test_attention_reaches_every_place_and_is_bounded() -> None:
    """On a large map a change in one corner is felt in the other, through tokens x tokens places."""
    torch.manual_seed(0)
    attention = GlobalAttention(8, 2, 4).eval()
    seen = []
    attention.block.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape))
    maps = torch.randn(1, 8, 32, 24)
    other = maps.clone()
    other[:, 0, 0, 0] += 20
    with torch.no_grad():
        change = (attention(other) - attention(maps)).abs()
    assert change[..., -1, -1].max() > 1e-6
    assert seen[0] == (1, 16, 8)


def test_attention_on_a_small_map_is_the_vision_transformers_block() -> None:
    from timm.layers import build_sincos2d_pos_embed

    torch.manual_seed(0)
    attention = GlobalAttention(8, 2, 6).eval()
    maps = torch.randn(2, 8, 6, 5)
    places = build_sincos2d_pos_embed([6, 5], 8)
    with torch.no_grad():
        tokens = maps.flatten(2).transpose(1, 2) + places
        expected = (attention.block(tokens) - places).transpose(1, 2).reshape(2, 8, 6, 5)
        assert torch.allclose(attention(maps), expected, atol=1e-5)


def test_with_skip_an_untrained_network_nearly_gives_the_picture_back() -> None:
    given = pictures(2)
    near = (make("reconstruction", skip=True)(given) - given).abs().mean()
    far = (make("reconstruction")(given) - given).abs().mean()
    assert near < 0.15 < far
    assert torch.allclose(make("unet")(given), given, atol=1e-6)


def test_the_random_layer_acts_on_the_reconstruction() -> None:
    from elliot_advrec.filters.resize_pad import resized_and_padded

    given = pictures(3)
    plain, drawn = make("reconstruction"), make("reconstruction", resize_pad=True, smallest=0.7)
    assert drawn.random
    assert not plain.random
    expected = resized_and_padded(plain(given), Streams([1, 2, 3]), 0.7)
    assert torch.equal(drawn(given, Streams([1, 2, 3])), expected)


def test_the_gradient_passes_where_the_clamp_acts() -> None:
    found_filter = make("unet")
    assert isinstance(found_filter, UNet)
    nn.init.constant_(found_filter.network.last.bias, -0.5)  # everything is pushed beyond 1
    white = torch.ones(1, 3, 8, 8, requires_grad=True)
    (cut,) = torch.autograd.grad(found_filter(white).sum(), white)
    (kept,) = torch.autograd.grad(found_filter.adaptive(white).sum(), white)
    assert cut.abs().max() == 0
    assert torch.equal(kept, torch.ones_like(kept))


@pytest.mark.parametrize("name", ["reconstruction", "unet"])
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    found_filter, given = make(name), pictures(2)
    kind = type(found_filter)
    with torch.no_grad():
        for tensor in found_filter.network.state_dict().values():  # type: ignore[attr-defined]
            if tensor.is_floating_point():
                tensor.add_(0.01)
    path = tmp_path / "filter.safetensors"
    found_filter.save(path)  # type: ignore[attr-defined]
    again = kind.load(path)  # type: ignore[attr-defined]
    assert again.config == found_filter.config
    assert torch.equal(again(given), found_filter(given))
    tuned = make(name, weights=str(path))
    assert torch.equal(tuned(given), found_filter(given))
    assert not torch.equal(make(name)(given), found_filter(given))


def test_what_is_no_saved_filter(tmp_path: Path) -> None:
    path = tmp_path / "unet.safetensors"
    UNet(UNetConfig(width=4, levels=1)).save(path)
    with pytest.raises(UserError, match="holds a UNet, not a Reconstruction"):
        Reconstruction.load(path)
    with pytest.raises(UserError, match="does not fit"):
        UNet(UNetConfig(width=8, levels=1, weights=str(path)))
    with pytest.raises(UserError, match="no such file"):
        UNet(UNetConfig(weights=str(tmp_path / "none.safetensors")))
    save_file({"a": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(UserError, match="is not a saved filter"):
        UNet.load(tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        UNet.load(tmp_path / "cut.safetensors")


def test_first_weights_follow_the_seed_and_leave_the_callers_generator_alone() -> None:
    config = ReconstructionConfig(width=8, blocks=1, heads=2)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other, same = (Reconstruction(config, seed=seed) for seed in (1, 2, 1))
    assert torch.equal(torch.rand(1), expected)
    given = pictures(1)
    assert torch.equal(one(given), same(given))
    assert not torch.equal(one(given), other(given))
    assert one.to("cpu") is one
