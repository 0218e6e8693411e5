"""The frozen view: the same function, faster, that an attack cannot change."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from elliot_advrec.errors import UserError
from elliot_advrec.extractors import frozen
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.convolutions import FrozenConvolution
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.folding import NORMS, find_pairs, randomise
from elliot_advrec.extractors.frozen import FrozenExtractor, resolve_precision


def build(backbone: str, seed: int = 0) -> Extractor:
    extractor = Extractor(ExtractorSettings(backbone=backbone), ["a", "b"], ["x"], 32, seed=seed)
    randomise(extractor, torch.Generator().manual_seed(seed))
    return extractor


def gap(found: Tensor, expected: Tensor) -> float:
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    "backbone", ["mobilenetv2_100", "resnet18", "resnet50", "efficientnet_b0", "test_byobnet"]
)
def test_folded_view_agrees(backbone: str) -> None:
    extractor = build(backbone).eval()
    view = FrozenExtractor(extractor)
    assert view.folded
    assert not any(isinstance(module, NORMS) for module in view.modules())
    # Always the same pixels: one draw in 40 has a ReLU6 so near its kink that rounding turns its gradient.
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = pixels.clone().requires_grad_(), pixels.clone().requires_grad_()
    expected, found = extractor(one), view(other)
    assert gap(found.embedding, expected.embedding) < 1e-4
    assert gap(found.category, expected.category) < 1e-4
    assert gap(found.attributes, expected.attributes) < 1e-4
    expected.embedding.square().sum().backward()
    found.embedding.square().sum().backward()
    assert gap(other.grad, one.grad) < 1e-3


@pytest.mark.parametrize("backbone", ["test_vit", "test_efficientnet_gn"])
def test_backbone_without_batchnorm_is_not_folded(backbone: str) -> None:
    extractor = build(backbone).eval()
    view = FrozenExtractor(extractor)
    assert not view.folded
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(view.embed(pixels), extractor.embed(pixels))


class Twice(nn.Module):
    """The convolution's output is read by the BatchNorm and by the sum: it must not be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, pixels: Tensor) -> Tensor:
        raw = self.conv(pixels)
        return (self.norm(raw) + raw).mean((2, 3))


class Shared(nn.Module):
    """One convolution before two BatchNorms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.two(self.conv(self.one(self.conv(pixels)))).mean((2, 3))


@pytest.mark.parametrize("network", [Twice(), Shared()], ids=["twice", "shared"])
def test_what_cannot_be_folded_falls_back(network: nn.Module) -> None:
    extractor = build("test_efficientnet")
    extractor.backbone, extractor.category_head, extractor.texture_head = network, None, None
    randomise(extractor, torch.Generator().manual_seed(1))
    view = FrozenExtractor(extractor.eval())
    assert not view.folded
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(view.embed(pixels), extractor.embed(pixels))


def test_pairs_are_found_by_name() -> None:
    extractor = build("test_resnet").eval()
    names = {
        (pair.convolution, pair.norm) for pair in find_pairs(extractor.backbone, torch.rand(1, 3, 32, 32))
    }
    assert ("layer1.0.conv1", "layer1.0.bn1") in names


def test_view_shares_nothing_and_stays_in_evaluation_mode() -> None:
    extractor = build("mobilenetv2_100").train()
    before = copy.deepcopy(extractor.state_dict())
    view = FrozenExtractor(extractor)
    view.train()
    pixels = torch.rand(4, 3, 32, 32, requires_grad=True)
    view.embed(pixels).sum().backward()
    assert pixels.grad is not None
    assert extractor.training
    assert not any(module.training for module in view.modules())
    assert not any(parameter.requires_grad for parameter in view.parameters())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in extractor.parameters())
    assert all(torch.equal(value, before[name]) for name, value in extractor.state_dict().items())


def test_pixels_are_not_changed_by_in_place_layers() -> None:
    view = FrozenExtractor(build("mobilenetv2_100"))
    pixels = torch.rand(2, 3, 32, 32)
    kept = pixels.clone()
    view.embed(pixels)
    assert torch.equal(pixels, kept)


@pytest.mark.parametrize("backbone", ["mobilenetv2_100", "test_vit"])
def test_refresh_takes_over_new_weights_in_place(backbone: str) -> None:
    old, new = build(backbone, 0).eval(), build(backbone, 1).eval()
    view = FrozenExtractor(old)
    places = [parameter.data_ptr() for parameter in view.parameters()]
    view.refresh(new)
    pixels = torch.rand(2, 3, 32, 32)
    assert gap(view.embed(pixels), new.embed(pixels)) < 1e-4
    assert gap(view(pixels).category, new(pixels).category) < 1e-4
    assert [parameter.data_ptr() for parameter in view.parameters()] == places


def test_batch_size_does_not_matter() -> None:
    view = FrozenExtractor(build("mobilenetv2_100"))
    pixels = torch.rand(5, 3, 32, 32)
    alone = torch.cat([view.embed(pixels[i : i + 1]) for i in range(5)])
    assert gap(alone, view.embed(pixels)) < 1e-5


def test_bf16_is_close_and_gives_float32() -> None:
    extractor = build("mobilenetv2_100").eval()
    view = FrozenExtractor(extractor, "bf16")
    pixels = torch.rand(2, 3, 32, 32)
    found, expected = view.embed(pixels), extractor.embed(pixels)
    assert found.dtype == torch.float32
    assert 1e-5 < gap(found, expected) < 0.1


def test_unknown_precision() -> None:
    with pytest.raises(UserError, match="unknown precision 'int8'; known: float32, bf16"):
        FrozenExtractor(build("test_resnet"), "int8")  # type: ignore[arg-type]


def test_compiled_backbone_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[nn.Module] = []

    def compile_(network: nn.Module) -> nn.Module:
        seen.append(network)
        return network

    monkeypatch.setattr(frozen.torch, "compile", compile_)
    view = FrozenExtractor(build("test_resnet"), compiled=True)
    assert seen == [view.network.backbone]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_gradients_do_not_depend_on_fusing(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = build("mobilenetv2_050").eval()
    fused = FrozenExtractor(extractor, precision)  # type: ignore[arg-type]
    assert sum(isinstance(module, FrozenConvolution) for module in fused.modules()) > 50
    monkeypatch.setattr(frozen, "fuse", lambda network, pairs: None)
    plain = FrozenExtractor(extractor, precision)  # type: ignore[arg-type]
    pixels = torch.rand(2, 3, 32, 32)
    found = []
    for view in (fused, plain):
        given = pixels.clone().requires_grad_()
        view.embed(given).sum().backward()
        assert given.grad is not None
        found.append(given.grad)
    agreement = torch.nn.functional.cosine_similarity(found[0].flatten(), found[1].flatten(), dim=0)
    assert agreement > (0.999999 if precision == "float32" else 0.95)


def test_auto_precision_is_what_the_processor_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [resolve_precision(name, "cpu") for name in ("float32", "bf16")] == ["float32", "bf16"]
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False, raising=False)
    assert resolve_precision("auto", "cpu") == "float32"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert resolve_precision("auto", "cpu") == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert resolve_precision("auto", "cuda") == "float32"


def test_what_is_not_finite_stays_visible() -> None:
    extractor = build("mobilenetv2_050").eval()
    view = FrozenExtractor(extractor)
    pixels = torch.rand(2, 3, 32, 32)
    assert view.embed(pixels).isfinite().all()
    spoilt = pixels.clone()
    spoilt[0, 1, 5, 5] = torch.nan
    assert view.embed(spoilt).isnan().any(dim=1).tolist() == [True, False]
    with torch.no_grad():
        extractor.backbone.get_submodule("blocks.4.1.bn1").weight[0] = torch.nan  # type: ignore[index]
    view.refresh(extractor)
    assert view.embed(pixels).isnan().any(dim=1).all()
