"""LPIPS against its definition and torchmetrics' own function, with weights that lie in a local file."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from naive_lpips import by_definition, drawn_linear, published_linear
from safetensors.torch import save_file
from torch import Tensor
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.lpips import BACKBONES, SMALLEST, Net, lpips, lpips_network

NETS: list[Net] = ["alex", "squeeze"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Untrained backbones of torchvision, saved as it distributes trained ones."""
    folder = tmp_path_factory.mktemp("backbones")
    found: dict[str, tuple[Path, Any]] = {}
    for net in NETS:
        torch.manual_seed(1)
        model = getattr(torchvision.models, BACKBONES[net])(weights=None).eval()
        path = folder / f"{net}.pth"
        torch.save(model.state_dict(), path)
        found[net] = path, model
    return found


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("LPIPS tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def pictures(seed: int, count: int = 3, size: int = 40) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("net", NETS)
def test_equals_the_definition(stored: dict[str, tuple[Path, Any]], net: Net) -> None:
    path, model = stored[net]
    network = lpips_network(path, net)
    clean = pictures(0)
    changed = (clean + 0.2 * (pictures(1) - 0.5)).clamp(0, 1)
    with torch.no_grad():
        expected = by_definition(net, model, published_linear(net), clean, changed)
    assert lpips(network, clean, changed).tolist() == pytest.approx(expected, rel=1e-4)
    assert lpips(network, clean, clean).tolist() == [0.0] * 3
    # A single picture is what it is among others, and no training mode brings dropout back.
    network.train(True)
    assert lpips(network, clean[1:2], changed[1:2]).tolist() == pytest.approx(expected[1:2], rel=1e-4)
    assert lpips(network, clean[:0], changed[:0]).shape == (0,)


def test_equals_torchmetrics_which_finds_the_same_weights_in_its_cache(
    stored: dict[str, tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, _ = stored["squeeze"]
    url = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url
    cached = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(path.read_bytes())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    clean, changed = pictures(0), pictures(1)
    theirs = learned_perceptual_image_patch_similarity(clean, changed, "squeeze", "none", normalize=True)
    torch.testing.assert_close(lpips(lpips_network(path, "squeeze"), clean, changed), theirs)


def test_grows_with_the_change_and_leaves_the_callers_randomness_alone(
    stored: dict[str, tuple[Path, Any]],
) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    network = lpips_network(stored["squeeze"][0], "squeeze")
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    clean, noise = pictures(0), pictures(1) - 0.5
    found = [lpips(network, clean, (clean + s * noise).clamp(0, 1)).mean().item() for s in (0.02, 0.1, 0.5)]
    assert 0 < found[0] < found[1] < found[2]


def test_safetensors_and_wrapped_files_are_read(stored: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    path, model = stored["squeeze"]
    safe, wrapped = tmp_path / "weights.safetensors", tmp_path / "wrapped.pth"
    save_file(model.state_dict(), safe)
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, wrapped)
    clean, changed = pictures(0), pictures(1)
    expected = lpips(lpips_network(path, "squeeze"), clean, changed)
    for file in (safe, wrapped):
        assert torch.equal(lpips(lpips_network(file, "squeeze"), clean, changed), expected)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("lpips_was_run"),))


def test_bad_files_are_refused(
    stored: dict[str, tuple[Path, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"there is no file .*; name torchvision's ImageNet weights of squeezenet1_1"
    ):
        lpips_network(tmp_path / "missing.pth", "squeeze")
    with pytest.raises(UserError, match=r"does not fit the backbone 'alexnet'"):
        lpips_network(stored["squeeze"][0], "alex")
    torch.save(Trap(), tmp_path / "trap.pth")
    with pytest.raises(UserError, match="not run"):
        lpips_network(tmp_path / "trap.pth", "squeeze")
    assert not (tmp_path / "lpips_was_run").exists()


@pytest.mark.parametrize("net", NETS)
def test_pictures_that_do_not_fit_are_refused(stored: dict[str, tuple[Path, Any]], net: Net) -> None:
    network, size = lpips_network(stored[net][0], net), SMALLEST[net]
    with pytest.raises(ValueError, match="cannot be compared"):
        lpips(network, pictures(0, 2), pictures(0, 3))
    with pytest.raises(ValueError, match=f"images of {size} pixels or more"):
        lpips(network, pictures(0, 1, size - 1), pictures(1, 1, size - 1))
    assert lpips(network, pictures(0, 1, size), pictures(1, 1, size)).isfinite().all()


def test_heads_that_do_not_fit_are_an_error_and_not_random_weights(
    stored: dict[str, tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: dict(list(read(*a, **k).items())[1:]))
    with pytest.raises(RuntimeError, match="does not fit its network"):
        lpips_network(stored["squeeze"][0], "squeeze")


@pytest.mark.parametrize("net", NETS)
def test_given_linear_layers_take_the_place_of_those_of_torchmetrics(
    stored: dict[str, tuple[Path, Any]], net: Net, tmp_path: Path
) -> None:
    path, model = stored[net]
    linear, safe = tmp_path / "linear.pth", tmp_path / "linear.safetensors"
    torch.save(drawn_linear(net), linear)
    save_file(drawn_linear(net), safe)
    clean, changed = pictures(0), pictures(1)
    expected = by_definition(net, model, drawn_linear(net), clean, changed)
    for file in (linear, safe):
        found = lpips(lpips_network(path, net, linear=file), clean, changed)
        assert found.tolist() == pytest.approx(expected, rel=1e-4)
    published = lpips(lpips_network(path, net), clean, changed)
    torch.save(published_linear(net), linear)
    assert torch.equal(lpips(lpips_network(path, net, linear=linear), clean, changed), published)
    assert published.tolist() != pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("net", NETS)
def test_equals_the_authors_package(stored: dict[str, tuple[Path, Any]], net: Net, tmp_path: Path) -> None:
    theirs = pytest.importorskip("lpips", reason="the authors' package is not installed: pip install lpips")
    path, model = stored[net]
    linear = tmp_path / "linear.pth"
    torch.save(drawn_linear(net), linear)
    judge = theirs.LPIPS(net=net, pnet_rand=True, model_path=str(linear), verbose=False)
    # Its slices name their blocks by their number in torchvision's ``features``.
    for key, value in judge.net.state_dict().items():
        value.copy_(model.state_dict()[f"features.{key.partition('.')[2]}"])
    clean, changed = pictures(0), pictures(1)
    expected = judge(clean, changed, normalize=True).flatten().detach()
    found = lpips(lpips_network(path, net, linear=linear), clean, changed)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_linear_layers_that_do_not_fit_are_refused(
    stored: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    linear = tmp_path / "linear.pth"
    with pytest.raises(UserError, match=r"there is no file .*linear.pth; name .* LPIPS 0.1, v0.1/alex.pth"):
        lpips_network(stored["alex"][0], "alex", linear=linear)
    torch.save(drawn_linear("squeeze"), linear)
    with pytest.raises(UserError, match=r"linear.pth: does not fit .*'alex \(linear layers\)': 4 of 5"):
        lpips_network(stored["alex"][0], "alex", linear=linear)
    with pytest.raises(UserError, match=r"'squeeze \(linear layers\)': 7 of 7.*v0.1/squeeze.pth"):
        lpips_network(stored["squeeze"][0], "squeeze", linear=stored["squeeze"][0])
