"""LPIPS against its definition and torchmetrics' own function, with weights that lie in a local file."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

from elliot_advrec.errors import UserError
from elliot_advrec.metrics.lpips import BACKBONES, SMALLEST, Net, lpips, lpips_network

TAPS: dict[Net, tuple[int, ...]] = {"squeeze": (1, 4, 7, 9, 10, 11, 12), "alex": (1, 4, 7, 9, 11)}
"""Places in ``features`` whose output is compared (Zhang et al. 2018, 3)."""
NETS = sorted(TAPS)


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


def by_definition(net: Net, model: Any, clean: Tensor, changed: Tensor) -> list[float]:
    """Squared differences of unit channel vectors, weighted, averaged over places, summed over layers."""
    import torchmetrics.functional.image as package

    folder = Path(package.__file__).parent / "lpips_models"
    heads = torch.load(folder / f"{net}.pth", map_location="cpu", weights_only=True)
    found = []
    for one, other in zip(clean, changed, strict=True):
        total, layer = 0.0, 0
        values = [
            ((2 * x - 1) - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
            / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
            for x in (one, other)
        ]
        values = [value[None] for value in values]
        for place, block in enumerate(model.features[: TAPS[net][-1] + 1]):
            values = [block(value.clone()) for value in values]
            if place in TAPS[net]:
                units = [v[0].double() / (1e-8 + v[0].double().square().sum(0)).sqrt() for v in values]
                weight = heads[f"lin{layer}.model.1.weight"].double().flatten()
                total += float(((units[0] - units[1]).square() * weight[:, None, None]).sum(0).mean())
                layer += 1
        found.append(total)
    return found


@pytest.mark.parametrize("net", NETS)
def test_equals_the_definition(stored: dict[str, tuple[Path, Any]], net: Net) -> None:
    path, model = stored[net]
    network = lpips_network(path, net)
    clean = pictures(0)
    changed = (clean + 0.2 * (pictures(1) - 0.5)).clamp(0, 1)
    with torch.no_grad():
        expected = by_definition(net, model, clean, changed)
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
    with pytest.raises(UserError, match="no weights at"):
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
