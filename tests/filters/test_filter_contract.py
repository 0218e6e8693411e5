"""The contract of filters: range, size, one stream a picture, gradients of adaptive attackers."""

from __future__ import annotations

import pytest
import torch
import yaml
from filter_contract import make, pictures, streams

from elliot_advrec import resources
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.filters.base import mean3, with_gradient_of
from elliot_advrec.streams import Streams

NAMES = FILTERS.names()
RANDOM = ["resize_pad", "gaussian"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(20, 20), (17, 30)])
def test_pictures_stay_pictures(name: str, size: tuple[int, int]) -> None:
    found_filter, given = make(name), pictures(3, *size)
    kept = given.clone()
    found = found_filter(given, streams(found_filter, 3))
    assert found_filter.summary().endswith(".")
    assert torch.equal(given, kept)
    assert found.shape == given.shape
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert found_filter.random == (name in RANDOM)
    empty = found_filter(given[:0], Streams([]))
    assert empty.shape == (0, 3, *size)


@pytest.mark.parametrize("name", NAMES)
def test_batch_equals_single(name: str) -> None:
    found_filter, given = make(name), pictures(4)
    seeds = [3, 1, 4, 1]
    together = found_filter(given, Streams(seeds))
    for row, seed in enumerate(seeds):
        alone = found_filter(given[row : row + 1], Streams([seed]))
        assert torch.allclose(alone[0], together[row], atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_adaptive_has_the_same_values_and_a_gradient(name: str) -> None:
    found_filter, given = make(name), pictures(2)
    expected = found_filter(given, streams(found_filter, 2))
    for kind in found_filter.gradients:
        points = given.clone().requires_grad_()
        found = found_filter.adaptive(points, streams(found_filter, 2), kind)
        assert torch.equal(found.detach(), expected)
        weight = torch.rand(found.shape, generator=torch.Generator().manual_seed(1))
        (gradient,) = torch.autograd.grad((found * weight).sum(), points)
        assert gradient.abs().sum() > 0
        if kind == "straight_through":
            assert torch.equal(gradient, weight)
        if kind == "average":
            (smooth,) = torch.autograd.grad((mean3(points) * weight).sum(), points)
            assert torch.equal(gradient, smooth)


SMOOTH = ["reconstruction", "unet", "resize_pad", "total_variation", "gaussian"]


def test_these_are_differentiable_everywhere() -> None:
    stepwise = {"median", "feature_squeezing"}  # almost everywhere; tested by themselves
    assert {name for name in NAMES if make(name).differentiable} == {*SMOOTH, *stepwise}


@pytest.mark.parametrize("name", SMOOTH)
def test_the_true_gradient_is_the_slope(name: str) -> None:
    """Against central differences in a random direction, on a picture that touches neither 0 nor 1."""
    found_filter = make(name, **({"skip": True} if name == "reconstruction" else {}))
    generator = torch.Generator().manual_seed(2)
    given = torch.rand(1, 3, 12, 12, generator=generator) * 0.2 + 0.4
    weight = torch.randn(given.shape, generator=generator)
    direction = torch.randn(given.shape, generator=generator)
    points = given.clone().requires_grad_()
    drawn = (lambda: Streams([5])) if found_filter.random else (lambda: None)
    through = found_filter.adaptive(points, drawn(), "true")
    (gradient,) = torch.autograd.grad((through * weight).sum(), points)
    step = 2e-3
    with torch.no_grad():
        ahead = (found_filter(given + step * direction, drawn()) * weight).double().sum()
        behind = (found_filter(given - step * direction, drawn()) * weight).double().sum()
    slope = float((ahead - behind) / (2 * step))
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=0.05, abs=0.05)


def test_what_a_caller_may_not_do() -> None:
    jpeg, noise, given = make("jpeg"), make("gaussian"), pictures(2)
    with pytest.raises(ValueError, match=r"float32 \(B,3,H,W\)"):
        jpeg(given.double())
    with pytest.raises(ValueError, match=r"float32 \(B,3,H,W\)"):
        jpeg(given[:, :1])
    with pytest.raises(ValueError, match="must be finite and in \\[0,1\\], got values from nan"):
        make("bit_depth")(torch.full((1, 3, 4, 4), torch.nan))
    with pytest.raises(ValueError, match=r"in \[0,1\], got values from 0\.0 to 255\.0"):
        make("median")(given * 255)
    with pytest.raises(ValueError, match="needs 2 streams, got none"):
        noise(given)
    with pytest.raises(ValueError, match="needs 2 streams, got 3"):
        noise(given, Streams([1, 2, 3]))
    with pytest.raises(ValueError, match="JPEG has no gradient 'true', only straight_through, average"):
        jpeg.adaptive(given, None, "true")
    with pytest.raises(UserError, match="unknown filter 'jpg'; did you mean 'jpeg'"):
        FILTERS.get("jpg")


class Wrong(Filter):
    """Breaks the contract in a chosen way."""

    def apply(self, pixels: torch.Tensor, streams: Streams | None) -> torch.Tensor:
        return pixels[..., :-1] if pixels.mean() < 0.5 else pixels + 0.5


def test_what_an_author_may_not_do() -> None:
    with pytest.raises(RuntimeError, match=r"Wrong made \(2, 3, 4, 3\) of \(2, 3, 4, 4\)"):
        Wrong()(torch.zeros(2, 3, 4, 4))
    with pytest.raises(RuntimeError, match=r"Wrong left \[0,1\]: values from 1.5 to 1.5"):
        Wrong()(torch.ones(2, 3, 4, 4))


def test_with_gradient_of_keeps_the_value_to_the_bit() -> None:
    value, stand_in = torch.rand(50), torch.rand(50, requires_grad=True)
    found = with_gradient_of(value, stand_in)
    assert torch.equal(found, value)
    (gradient,) = torch.autograd.grad(found.square().sum(), stand_in)
    assert torch.equal(gradient, 2 * value)


@pytest.mark.parametrize(
    "path", sorted((resources.folder("configs") / "filters").glob("*.yml")), ids=lambda path: path.stem
)
def test_presets_are_filters(path: object) -> None:
    text = path.read_text("utf-8")  # type: ignore[attr-defined]
    settings = yaml.safe_load(text)
    kind = FILTERS.get(settings.pop("type"))
    assert text.startswith("# ")
    assert isinstance(validate(kind.config_class, settings, "preset"), kind.config_class)


def test_every_filter_has_a_preset() -> None:
    stems = {path.stem for path in (resources.folder("configs") / "filters").glob("*.yml")}
    assert set(NAMES) <= stems


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("jpeg", {"quality": 0}, "quality"),
        ("jpeg", {"qualty": 75}, "did you mean 'quality'"),
        ("bit_depth", {"bits": 9}, "be at most 8|less than or equal to 8"),
        ("resize_pad", {"smallest": 0}, "smallest"),
        ("reconstruction", {"width": 10}, "multiple of 4"),
        ("reconstruction", {"width": 16, "heads": 3}, "width 16 is no multiple of 3 heads"),
        ("unet", {"levels": 0}, "levels"),
    ],
)
def test_bad_settings(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make(name, **settings)
