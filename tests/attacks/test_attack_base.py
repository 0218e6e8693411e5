"""What the final call of an attack checks, the registry, and budgets."""

from __future__ import annotations

import math

import pytest
import torch
from attack_contract import Pull, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elliot_advrec.attacks import ATTACKS, Attack, Budget, Problem
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.component import Config
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams

BALL = Budget("linf", 0.1)


def test_every_registered_attack_has_a_summary_and_defaults() -> None:
    assert ATTACKS.names()[:4] == ["fgsm", "pgd", "cw", "cw_l2"]
    for name in ATTACKS.names():
        attack = ATTACKS.get(name)()
        assert len(attack.summary()) > 20
        assert (attack.gradient_evaluations() >= 1) == (attack.needs != "values")
    with pytest.raises(UserError, match="did you mean 'pgd'"):
        ATTACKS.get("pdg")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 4, 4, dtype=torch.float64), "must be float32, got torch.float64"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "must be float32, got torch.uint8"),
        (torch.zeros(3, 4, 4), r"\(B,3,H,W\), got \(3, 4, 4\)"),
        (torch.zeros(2, 1, 4, 4), r"\(B,3,H,W\), got \(2, 1, 4, 4\)"),
        (torch.full((2, 3, 4, 4), 1.01), r"in \[0,1\], got values from 1.0"),
        (torch.full((2, 3, 4, 4), -0.01), r"in \[0,1\]"),
        (torch.full((2, 3, 4, 4), math.nan), "finite"),
        (torch.zeros(1, 3, 4, 4), "1 images need 1 streams, got 2"),
    ],
)
def test_bad_images_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PGD()(lambda p, r: p.flatten(1).sum(1), images, BALL, Streams([0, 1]))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda p, r: p.sum(), r"must return \(2,\) floats, one a sample, got \(\)"),
        (lambda p, r: p.flatten(1), "one a sample, got"),
        (lambda p, r: 0.0, "got float"),
        (lambda p, r: r, r"got \(2,\)"),
        (lambda p, r: torch.ones(len(p)), "does not depend on the pixels"),
    ],
)
def test_bad_losses_are_refused(loss: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PGD()(loss, torch.full((2, 3, 4, 4), 0.5), BALL, Streams([0, 1]))  # type: ignore[arg-type]


def test_nan_gradients_are_refused() -> None:
    def loss(pixels: Tensor, rows: Tensor) -> Tensor:
        # sqrt has no slope at 0: finite loss, NaN gradient.
        return ((pixels - 0.5) * 0).sqrt().flatten(1).sum(1)

    with pytest.raises(ValueError, match="NaN or infinite for 1 of 1"):
        PGD(PGDConfig(random_start=False))(loss, torch.full((1, 3, 4, 4), 0.5), BALL, Streams([0]))


def test_wrong_config_is_refused() -> None:
    with pytest.raises(TypeError, match="PGD takes a PGDConfig, got Config"):
        PGD(Config())


class Careless(Attack):
    """Offers whatever it is told to, inside the budget or not."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def run(self, problem: Problem) -> None:
        problem.evaluate(problem.images + self.shift)

    def gradient_evaluations(self) -> int:
        return 0


def falling(pixels: Tensor, rows: Tensor) -> Tensor:
    return -pixels.flatten(1).sum(1)


def test_an_attack_that_leaves_its_budget_or_range_is_caught() -> None:
    images = torch.full((1, 3, 4, 4), 0.5)
    with pytest.raises(RuntimeError, match=r"Careless left its budget: linf 0\.1999"):
        Careless(0.2)(falling, images, BALL, Streams([0]))
    with pytest.raises(RuntimeError, match=r"left the pixel range \[0,1\]"):
        Careless(0.05)(falling, torch.ones(1, 3, 4, 4), BALL, Streams([0]))


def test_a_sample_that_gets_no_candidate_keeps_its_clean_image() -> None:
    class Idle(Careless):
        """Does nothing."""

        def run(self, problem: Problem) -> None:
            return None

    images = pictures(2)
    loss = Pull([0, 1])
    result = Idle(0)(loss, images, BALL, Streams([0, 1]))
    assert torch.equal(result.images, images)
    torch.testing.assert_close(result.loss, loss(images, torch.arange(2)))
    assert result.queries.tolist() == [1, 1]


@pytest.mark.parametrize(("norm", "eps"), [("l1", 0.1), ("linf", -0.1), ("l2", math.inf), ("linf", math.nan)])
def test_impossible_budgets_are_refused(norm: str, eps: float) -> None:
    with pytest.raises(ValueError, match=r"norm must be|eps must be"):
        Budget(norm, eps)  # type: ignore[arg-type]


deltas = st.integers(0, 2**32).map(
    lambda s: torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(s))
)
budgets = st.builds(Budget, st.sampled_from(["linf", "l2"]), st.floats(0, 2, width=32))


@settings(max_examples=60)
@given(deltas, budgets, st.floats(0, 3))
def test_projection_is_the_nearest_point_inside(delta: Tensor, budget: Budget, scale: float) -> None:
    delta = delta * scale
    projected = budget.project(delta)
    assert budget.contains(projected).all()
    torch.testing.assert_close(budget.project(projected), projected, atol=1e-6, rtol=0)
    inside = budget.length(delta) <= budget.eps * (1 - 1e-6)
    torch.testing.assert_close(projected[inside], delta[inside])
    # Nearest: the residual makes no acute angle with the way to any other point of the ball.
    other = budget.project(torch.randn(delta.shape, generator=torch.Generator().manual_seed(1)))
    residual, way = (delta - projected).flatten(1), (other - projected).flatten(1)
    assert ((residual * way).sum(1) <= 1e-4 * (1 + delta.flatten(1).norm(dim=1))).all()


@settings(max_examples=40)
@given(deltas, budgets, st.booleans())
def test_projected_points_are_in_the_ball_and_the_range(delta: Tensor, budget: Budget, some: bool) -> None:
    images = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(2)).round(decimals=0)
    problem = Problem(falling, images, budget, Streams([0, 1]))
    rows = torch.tensor([1]) if some else None
    clean = images[1:] if some else images
    points = problem.project_((clean + delta[: len(clean)]).clone(), rows)
    assert budget.contains(points - clean).all()
    assert points.min() >= 0
    assert points.max() <= 1


def test_length_is_the_norm() -> None:
    delta = torch.zeros(2, 3, 2, 2)
    delta[0, 0, 0, 0], delta[0, 1, 1, 1] = 3.0, -4.0
    assert Budget("linf", 1).length(delta).tolist() == [4.0, 0.0]
    assert Budget("l2", 1).length(delta).tolist() == [5.0, 0.0]
