"""Centre smoothing's certificate against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from elliot_advrec.filters.center_smoothing import CenterSmoothing, CenterSmoothingConfig
from elliot_advrec.streams import Streams

GENERATOR = torch.Generator().manual_seed(0)
LINEAR = torch.randn(2, 12, generator=GENERATOR) / 4
GREY = torch.full((1, 3, 2, 2), 0.5)
SETTINGS = {"sigma": 0.05, "draws": 300, "certify_draws": 1000, "alpha": 0.01}


def linear(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.flatten(1) @ LINEAR.T


def cliff(pixels: torch.Tensor) -> torch.Tensor:
    """A function that jumps where a linear one would move a little: an attacker's dream."""
    shown = linear(pixels) - linear(GREY)
    return torch.stack([torch.sign(shown[:, 0]), 5 * shown[:, 1]], dim=1)


def around(eps: float, count: int, function_rows: torch.Tensor) -> torch.Tensor:
    """Pictures at Euclidean distance eps: random ones, and those along the rows of the linear map."""
    directions = torch.randn(count, 12, generator=torch.Generator().manual_seed(1))
    directions = torch.cat([directions, function_rows, -function_rows])
    return GREY + eps * torch.nn.functional.normalize(directions, dim=1).view(-1, 3, 2, 2)


@pytest.mark.parametrize("function", [linear, cliff])
@pytest.mark.parametrize("eps", [0.0, 0.03, 0.06])
def test_no_neighbour_moves_further_than_the_bound(function, eps: float) -> None:  # type: ignore[no-untyped-def]
    smoothing = CenterSmoothing(function, CenterSmoothingConfig.model_validate(SETTINGS))
    [certificate] = smoothing.certify(GREY, eps, Streams([0]))
    others = around(eps, 36, LINEAR)
    moved = smoothing.centre(others, Streams(range(100, 100 + len(others)))) - certificate.centre
    furthest = float(moved.norm(dim=1).max())
    assert furthest <= certificate.bound
    assert certificate.bound == 3 * certificate.radius
    assert certificate.bound < 40 * max(furthest, 0.05), "a bound that says nothing"


def test_the_ball_holds_its_mass() -> None:
    """The measured radius covers p of fresh draws, in almost all of 40 repetitions."""
    smoothing = CenterSmoothing(linear, CenterSmoothingConfig.model_validate(SETTINGS))
    p, covered = smoothing.mass(0.03), 0
    noise = torch.randn(20_000, 12, generator=torch.Generator().manual_seed(9)) * 0.05
    sample = linear((GREY.flatten(1) + noise).clamp(0, 1).view(-1, 3, 2, 2))
    for seed in range(40):
        [certificate] = smoothing.certify(GREY, 0.03, Streams([seed]))
        inside = (sample - certificate.centre).norm(dim=1) <= certificate.radius
        covered += float(inside.float().mean()) >= p - 0.005
    assert covered >= 39


def test_mass_and_order_are_the_formula() -> None:
    smoothing = CenterSmoothing(linear, CenterSmoothingConfig(sigma=0.1, draws=500, alpha=0.001))
    delta = math.sqrt(math.log(2000) / 1000)
    expected = stats.norm.cdf(stats.norm.ppf(0.5 + delta) + 0.5)
    assert smoothing.mass(0.05) == pytest.approx(expected)
    place = smoothing.order(0.05)
    assert place is not None
    assert stats.binom.sf(place - 1, 2000, expected) <= 0.0005 < stats.binom.sf(place - 2, 2000, expected)
    hoeffding = 2000 * (expected + math.sqrt(math.log(2000) / 4000))
    assert place <= hoeffding


def test_too_few_draws_certify_nothing() -> None:
    few = CenterSmoothing(linear, CenterSmoothingConfig(sigma=0.05, draws=5, certify_draws=10))
    [certificate] = few.certify(GREY, 0.01, Streams([0]))
    assert certificate.bound == math.inf
    assert certificate.centre.shape == (2,)
    far = CenterSmoothing(linear, CenterSmoothingConfig(sigma=0.05, draws=300, certify_draws=1000))
    assert far.certify(GREY, 1.0, Streams([0]))[0].bound == math.inf
    with pytest.raises(ValueError, match="eps must be at least 0"):
        far.certify(GREY, -1.0, Streams([0]))


def test_bounds_grow_with_eps_and_the_centre_is_a_majority_draw() -> None:
    smoothing = CenterSmoothing(linear, CenterSmoothingConfig.model_validate(SETTINGS))
    bounds = [smoothing.certify(GREY, eps, Streams([0]))[0].bound for eps in (0.0, 0.02, 0.05)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]
    draws = torch.tensor([[0.0], [0.1], [0.2], [5.0], [9.0]])
    assert float(smoothing._centre(draws)) == pytest.approx(0.1)
    # Naively: the draw whose third-nearest draw (itself counted) is nearest.
    many = torch.randn(31, 3, generator=torch.Generator().manual_seed(5))
    reach = [np.sort(np.linalg.norm(many.numpy() - row, axis=1))[15] for row in many.numpy()]
    assert torch.equal(smoothing._centre(many), many[int(np.argmin(reach))])


def test_centres_do_not_depend_on_the_batch() -> None:
    given = torch.cat([GREY, GREY * 0.5])
    found = CenterSmoothing(linear, CenterSmoothingConfig(draws=20, batch_size=7)).centre(
        given, Streams([1, 2])
    )
    alone = CenterSmoothing(linear, CenterSmoothingConfig(draws=20)).centre(given[1:], Streams([2]))
    assert torch.allclose(found[1], alone[0], atol=1e-6)
    assert CenterSmoothing(linear).centre(given[:0], Streams([])).shape == (0, 2)
