"""Filters without weights, each against a naive computation."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from filter_contract import make, pictures
from PIL import Image

from elliot_advrec.filters.median import smoothed
from elliot_advrec.filters.resize_pad import resized_and_padded
from elliot_advrec.filters.total_variation import denoised, divergence, gradient
from elliot_advrec.streams import Streams


def test_jpeg_is_what_pillow_makes_of_the_file() -> None:
    given = pictures(2, 24, 16)
    found = make("jpeg", quality=30, subsampling="4:4:4")(given)
    for row in range(2):
        as_bytes = np.rint(given[row].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(as_bytes).save(stream, "JPEG", quality=30, subsampling="4:4:4")
        expected = np.asarray(Image.open(stream).convert("RGB")) / 255
        assert np.abs(found[row].permute(1, 2, 0).numpy() - expected).max() < 1e-6
    finer = (make("jpeg", quality=95)(given) - given).abs().mean()
    coarser = (make("jpeg", quality=10)(given) - given).abs().mean()
    assert coarser > 1.2 * finer > 0


def test_bit_depth_rounds_to_the_nearest_level() -> None:
    values = torch.tensor([0.0, 0.1, 0.17, 0.49, 0.51, 0.99, 1.0]).repeat(3, 1).view(1, 3, 1, 7)
    two = make("bit_depth", bits=1)(values)[0, 0, 0]
    assert two.tolist() == [0, 0, 0, 0, 1, 1, 1]
    four = make("bit_depth", bits=2)(values)[0, 0, 0]
    assert four.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3, 1, 1])
    eight = make("bit_depth", bits=8)
    as_bytes = torch.arange(256).div(255).repeat(3, 1).view(1, 3, 16, 16)
    assert torch.equal(eight(as_bytes), as_bytes)


@pytest.mark.parametrize("window", [2, 3, 5])
def test_median_against_loops(window: int) -> None:
    given = pictures(1, 7, 9)
    found = make("median", window=window)(given)
    for channel in range(3):
        for row in range(7):
            for column in range(9):
                values = sorted(
                    float(given[0, channel, min(max(y, 0), 6), min(max(x, 0), 8)])
                    for y in range(row - (window - 1) // 2, row + window // 2 + 1)
                    for x in range(column - (window - 1) // 2, column + window // 2 + 1)
                )
                middle = values[(len(values) - 1) // 2]
                assert float(found[0, channel, row, column]) == pytest.approx(middle)


@pytest.mark.parametrize("window", [2, 3])
def test_the_median_has_its_true_gradient(window: int) -> None:
    order = torch.randperm(108, generator=torch.Generator().manual_seed(0))
    given = (order.double() / 108).view(1, 3, 6, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda pixels: smoothed(pixels, window), given)


def test_feature_squeezing_is_bits_then_median() -> None:
    squeezing, bits, median = (
        make("feature_squeezing", bits=3, window=2),
        make("bit_depth", bits=3),
        make("median", window=2),
    )
    given = pictures(2).requires_grad_()
    coarse = bits(given).detach().requires_grad_()
    expected, found = median(coarse), squeezing.adaptive(given)
    assert torch.equal(squeezing(given), expected)
    assert torch.equal(found, expected)
    weight = torch.rand(expected.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((found * weight).sum(), given)
    (of_the_median,) = torch.autograd.grad((expected * weight).sum(), coarse)
    assert torch.equal(gradient, of_the_median)


@pytest.mark.parametrize("size", [(20, 20), (16, 31)])
def test_resize_pad_against_interpolate_and_pad(size: tuple[int, int]) -> None:
    height, width = size
    given = pictures(6, height, width)
    found = resized_and_padded(given, Streams(range(6)), 0.6)
    side, sides = min(size), set()
    for row in range(6):
        draw = Streams([row]).uniform((3,))[0].double()
        least = round(side * 0.6)
        new = least + min(int(draw[0] * (side - least + 1)), side - least)
        tall, wide = round(new * height / side), round(new * width / side)
        top, left = int(draw[1] * (height - tall + 1)), int(draw[2] * (width - wide + 1))
        small = F.interpolate(given[row : row + 1], size=(tall, wide), mode="bilinear", align_corners=False)
        expected = F.pad(small, (left, width - wide - left, top, height - tall - top))
        assert torch.allclose(found[row], expected[0], atol=1e-5)
        sides.add(new)
    assert len(sides) > 1
    assert torch.allclose(resized_and_padded(given, Streams(range(6)), 1.0), given, atol=1e-5)


def test_resize_pad_draws_every_size_and_place() -> None:
    white = torch.ones(400, 3, 10, 10)
    found = resized_and_padded(white, Streams(range(400)), 0.8)
    counts = found[:, 0].sum((1, 2)).round().long()
    assert set(counts.tolist()) == {64, 81, 100}
    assert counts.bincount()[[64, 81, 100]].min() > 80
    corners = found[counts == 64][:, 0]
    tops = corners.amax(2).argmax(1)
    assert set(tops.tolist()) == {0, 1, 2}


def test_total_variation_is_the_minimum_of_its_energy() -> None:
    generator = torch.Generator().manual_seed(0)
    given = torch.rand(1, 1, 6, 6, generator=generator, dtype=torch.float64)
    found = denoised(given, 0.2, 3000)

    def energy(picture: torch.Tensor) -> torch.Tensor:
        slope = gradient(picture).square().sum(0).sqrt().sum()
        return (picture - given).square().sum() / 2 + 0.2 * slope

    least = energy(found)
    assert least < energy(given)
    for scale in (1e-1, 1e-2, 1e-3):
        for _ in range(200):
            other = found + scale * torch.randn(given.shape, generator=generator, dtype=torch.float64)
            assert energy(other) >= least - 1e-9
    flat = torch.full_like(given, float(given.mean()))
    assert torch.allclose(denoised(given, 50.0, 3000), flat, atol=2e-3)


def test_total_variation_in_few_steps_takes_noise_away() -> None:
    clean = torch.zeros(2, 3, 32, 32) + 0.2
    clean[..., 8:24, 8:24] = 0.8
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 8 / 255
    noisy = (clean + noise).clamp(0, 1)
    found = make("total_variation")(noisy)
    assert (found - clean).square().mean() < 0.35 * (noisy - clean).square().mean()


def test_divergence_is_minus_the_adjoint_of_the_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, 5, 7, generator=generator, dtype=torch.float64)
    dual = torch.rand(2, 2, 3, 5, 7, generator=generator, dtype=torch.float64)
    assert float((gradient(picture) * dual).sum()) == pytest.approx(
        -float((picture * divergence(dual)).sum()), rel=1e-12
    )


def test_gaussian_noise_has_its_deviation_and_is_clipped() -> None:
    grey = torch.full((4, 3, 64, 64), 0.5)
    found = make("gaussian", sigma=0.05)(grey, Streams(range(4)))
    assert float((found - grey).std()) == pytest.approx(0.05, rel=0.02)
    assert not torch.equal(found[0], found[1])
    white = make("gaussian", sigma=0.05)(torch.ones(1, 3, 64, 64), Streams([1]))
    assert float((white == 1).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert math.isclose(float(white.max()), 1.0)
