"""Perceptual measures against their definitions, and rounding that stays in the ball."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elliot_advrec.metrics import perceptual


def images(seed: int, count: int = 2, size: int = 16) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def lattice(seed: int, size: int = 6) -> Tensor:
    return perceptual.round_to_8_bits(images(seed, size=size))


def test_equal_images() -> None:
    clean = images(0)
    measured = perceptual.measure(clean, clean)
    assert list(measured) == ["ssim", "psnr", "linf", "l2"]
    torch.testing.assert_close(measured["ssim"], torch.ones(2), atol=1e-5, rtol=0)
    assert measured["psnr"].tolist() == [math.inf] * 2
    assert measured["linf"].tolist() == measured["l2"].tolist() == [0.0, 0.0]


def test_known_changes_one_sample_at_a_time() -> None:
    clean = torch.full((2, 3, 16, 16), 0.5)
    changed = clean.clone()
    changed[0] += 0.1
    changed[1, 0, 0, 0] -= 0.3
    measured = perceptual.measure(clean, changed)
    torch.testing.assert_close(measured["psnr"], torch.tensor([20.0, -10 * math.log10(0.09 / 768)]))
    torch.testing.assert_close(measured["linf"], torch.tensor([0.1, 0.3]))
    torch.testing.assert_close(measured["l2"], torch.tensor([0.1 * 768**0.5, 0.3]))
    # Flat images differ only in luminance: (2 a b + c1) / (a^2 + b^2 + c1).
    flat = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)
    assert measured["ssim"][0].item() == pytest.approx(flat, abs=1e-4)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_batch_equals_single_and_empty_is_empty(count: int) -> None:
    clean, changed = images(0, count), images(1, count)
    for name, values in perceptual.measure(clean, changed).items():
        assert values.shape == (count,)
        for place in range(count):
            own = slice(place, place + 1)
            alone = perceptual.measure(clean[own], changed[own])[name]
            torch.testing.assert_close(values[own], alone, atol=1e-5, rtol=1e-5)


def test_ssim_falls_as_noise_grows() -> None:
    clean, noise = images(0, size=32), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    values = [perceptual.ssim(clean, (clean + s * noise).clamp(0, 1)).mean().item() for s in (0.01, 0.1, 0.3)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.98


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        perceptual.measure(images(0, 2), images(0, 3))
    with pytest.raises(ValueError, match="6 pixels or more"):
        perceptual.ssim(images(0, size=5), images(1, size=5))
    with pytest.raises(ValueError, match="pass them too"):
        perceptual.round_to_8_bits(images(0), eps=0.1)


def test_plain_rounding_is_what_a_png_holds() -> None:
    ramp = torch.linspace(0, 1, 3 * 64).view(1, 3, 8, 8)
    rounded = perceptual.round_to_8_bits(ramp)
    levels = (rounded * 255).round()
    assert torch.equal(rounded, levels.to(torch.uint8).float() / 255)
    assert (rounded - ramp).abs().max() <= 0.5 / 255 + 1e-7


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.001, 0.01, 0.03, 4 / 255, 8 / 255, 0.3]))
def test_rounding_never_leaves_the_ball(seed: int, eps: float) -> None:
    clean = lattice(seed)
    attacked = (clean + (images(seed + 1, size=6) * 2 - 1).clamp(-0.9, 0.9) / 0.9 * eps).clamp(0, 1)
    rounded = perceptual.round_to_8_bits(attacked, clean, eps)
    assert (rounded - clean).abs().max() <= eps + 1e-6
    torch.testing.assert_close(rounded * 255, (rounded * 255).round(), atol=1e-4, rtol=0)
    # Where the nearest level is inside the ball it is the one taken.
    plain = perceptual.round_to_8_bits(attacked)
    inside = (plain - clean).abs() <= eps + 1e-7
    torch.testing.assert_close(rounded[inside], plain[inside])
    # Otherwise the next level inwards is: never farther than one level from what was asked for.
    assert (rounded - attacked).abs().max() <= 1 / 255 + 1e-6


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_rounding_towards_the_clean_image_shrinks_every_norm(seed: int) -> None:
    clean, attacked = lattice(seed), images(seed + 1, size=6)
    rounded = perceptual.round_to_8_bits(attacked, clean)
    assert ((rounded - clean).abs() <= (attacked - clean).abs() + 1e-6).all()
    assert (rounded - attacked).abs().max() <= 1 / 255 + 1e-6
    torch.testing.assert_close(perceptual.round_to_8_bits(rounded, clean), rounded)


def test_clean_between_levels_takes_the_nearest_level() -> None:
    clean = torch.full((1, 3, 2, 2), 10.3 / 255)
    rounded = perceptual.round_to_8_bits(clean, clean, eps=0.0005)
    torch.testing.assert_close(rounded * 255, torch.full((1, 3, 2, 2), 10.0))
