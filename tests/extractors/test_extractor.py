"""The extractor: its parts, its weights, its files."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.extractors import backbone
from elliot_advrec.extractors.activations import LeanReLU6
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor

TINY = "test_efficientnet"


def tiny(weights: str = "none", **changes: object) -> Extractor:
    settings = ExtractorSettings.model_validate({"backbone": TINY, "weights": weights, **changes})
    return Extractor(settings, ["a", "b", "c"], ["x", "y"], 32)


def test_shapes_and_absent_heads() -> None:
    pixels = torch.rand(2, 3, 32, 32)
    features = tiny()(pixels)
    assert features.embedding.shape == (2, 256)
    assert features.category is not None
    assert features.category.shape == (2, 3)
    assert features.attributes is not None
    assert features.attributes.shape == (2, 2)
    bare = Extractor(ExtractorSettings(backbone=TINY), image_size=32)(pixels)
    assert bare.category is None
    assert bare.attributes is None


def test_mobilenet_embedding_is_its_penultimate_layer() -> None:
    assert Extractor(ExtractorSettings(), ["a"], image_size=32).embedding_dim == 1280


def test_narrower_embedding() -> None:
    extractor = tiny(embedding=7)
    assert extractor.embedding_dim == 7
    assert extractor.embed(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_normalisation_is_inside() -> None:
    extractor = tiny().eval()
    pixels = torch.rand(2, 3, 32, 32)
    mean = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
    torch.testing.assert_close(extractor.embed(pixels), extractor.backbone((pixels - mean) / std))


def test_seed_decides_the_first_weights_and_leaves_the_callers_randomness() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    settings = ExtractorSettings(backbone=TINY)
    one, same, other = (Extractor(settings, ["a"], image_size=32, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(
        UserError, match="unknown backbone 'mobilenetv2_1000'; did you mean 'mobilenetv2_100'"
    ):
        Extractor(ExtractorSettings(backbone="mobilenetv2_1000"))


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'epochs'"):
        validate(ExtractorSettings, {"training": {"epoch": 3}}, "extractor")


def test_unreachable_imagenet_weights_are_one_sentence_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refused(*args: object, **kwargs: object) -> None:
        assert kwargs["timeout"] == backbone.PROBE_SECONDS
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refused)
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be downloaded; write weights: none, or weights: /path"):
        tiny("imagenet")
    assert time.monotonic() - begun < 60


def test_backbone_without_imagenet_weights() -> None:
    name = next(n for n in timm.list_models() if not timm.is_model_pretrained(n))
    with pytest.raises(UserError, match="timm has no ImageNet weights"):
        Extractor(ExtractorSettings(backbone=name, weights="imagenet"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_the_full_timm_model(tmp_path: Path, suffix: str) -> None:
    full = timm.create_model(TINY, num_classes=5)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in full.state_dict().items()}}, path)
    else:
        save_file(full.state_dict(), path)
    torch.testing.assert_close(tiny(str(path)).backbone.conv_stem.weight, full.conv_stem.weight)


def test_weights_of_a_saved_extractor(tmp_path: Path) -> None:
    settings = ExtractorSettings(backbone=TINY)
    first = Extractor(settings, ["a"], image_size=32, seed=9)
    first.save(tmp_path / "first.safetensors")
    again = tiny(str(tmp_path / "first.safetensors"))
    torch.testing.assert_close(again.backbone.conv_stem.weight, first.backbone.conv_stem.weight)


class Bomb:
    """Runs a command where a pickle of it is loaded without care."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"conv_stem.weight": Bomb(tmp_path / "trace")}, tmp_path / "bomb.pth")
    with pytest.raises(UserError, match=r"bomb\.pth: holds more than tensors.*not run"):
        tiny(str(tmp_path / "bomb.pth"))
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors", "empty.pth", "empty.safetensors"])
def test_not_a_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>sign in</html>" if name.startswith("page") else "")
    with pytest.raises(UserError, match=name):
        tiny(str(tmp_path / name))


def test_not_a_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="is not a state dict"):
        tiny(str(tmp_path / "list.pth"))


def test_another_architecture(tmp_path: Path) -> None:
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(UserError, match=f"does not fit the backbone '{TINY}'.*saved from"):
        tiny(str(tmp_path / "resnet.safetensors"))


def test_missing_weights() -> None:
    with pytest.raises(UserError, match=r"no weights at 'nowhere\.pth'"):
        tiny("nowhere.pth")


def test_save_and_load(tmp_path: Path) -> None:
    extractor = tiny(embedding=5).eval()
    path = tmp_path / "deep" / "extractor.safetensors"
    extractor.save(path)
    found = Extractor.load(path)
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(found(pixels).embedding, extractor(pixels).embedding)
    assert (found.categories, found.attribute_names) == (["a", "b", "c"], ["x", "y"])
    assert found.config == extractor.config
    assert found.image_size == 32
    assert not found.training
    with safe_open(path, "pt") as stored:
        header = json.loads(stored.metadata()["json"])
    assert header["config"]["backbone"] == TINY
    assert set(header["versions"]) == {"elliot_advrec", "timm", "torch"}
    assert [p.name for p in path.parent.iterdir()] == ["extractor.safetensors"]


def test_loading_something_else(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="is not a saved extractor"):
        Extractor.load(tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "other.safetensors").read_bytes()[:-2])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        Extractor.load(tmp_path / "cut.safetensors")


def test_lean_relu6_is_relu6() -> None:
    given = torch.tensor([-1.0, 0.0, 1.0, 6.0, 7.0])
    one, other = given.clone().requires_grad_(), given.clone().requires_grad_()
    lean, plain = LeanReLU6()(one * 1), torch.nn.functional.relu6(other * 1)
    lean.sum().backward()
    plain.sum().backward()
    assert torch.equal(lean, plain)
    assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    leaf = given.clone().requires_grad_()
    assert torch.equal(LeanReLU6()(leaf), plain)
    assert torch.equal(leaf.detach(), given)


def test_mobilenet_uses_it() -> None:
    kinds = {type(module) for module in Extractor(ExtractorSettings(), image_size=32).modules()}
    assert LeanReLU6 in kinds
    assert torch.nn.ReLU6 not in kinds
