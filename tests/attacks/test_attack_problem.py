"""What a problem gives beyond one loss: other losses, features, goals, and where each is refused."""

from __future__ import annotations

import pytest
import torch
from attack_contract import pictures
from torch import Tensor

from elliot_advrec.attacks import Budget, EmbeddingLoss, Problem
from elliot_advrec.streams import Streams

BALL = Budget("linf", 0.05)
MATRIX = torch.randn(5, 3 * 12 * 12, generator=torch.Generator().manual_seed(0)) / 10


def embed(pixels: Tensor) -> Tensor:
    return pixels.flatten(1) @ MATRIX.T


def first(embedding: Tensor, rows: Tensor) -> Tensor:
    return embedding[:, 0]


def second(embedding: Tensor, rows: Tensor) -> Tensor:
    return 3 * embedding[:, 1]


def problem(images: Tensor | None = None, **more: object) -> Problem:
    given = pictures(3) if images is None else images
    loss = EmbeddingLoss(embed, first, {"second": second}, **more)  # type: ignore[arg-type]
    return Problem(loss, given, BALL, Streams(range(len(given))))


def test_another_loss_gives_its_gradient_and_the_main_one_judges() -> None:
    found = problem()
    value, gradient = found.gradient(found.images, by="second")
    torch.testing.assert_close(value, second(embed(found.images), found.rows))
    torch.testing.assert_close(gradient, (3 * MATRIX[1]).view(1, 3, 12, 12).expand(3, -1, -1, -1))
    torch.testing.assert_close(found.best.loss, first(embed(found.images), found.rows))
    torch.testing.assert_close(found.evaluate(found.images, by="second"), value)
    assert found.oracle.queries.tolist() == [2, 2, 2]
    assert found.oracle.gradient_evaluations.tolist() == [1, 1, 1]


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="has no other loss 'third'; it has: second"):
        problem().gradient(pictures(3), by="third")
    plain = Problem(lambda p, r: p.flatten(1).sum(1), pictures(1), BALL, Streams([0]))
    with pytest.raises(ValueError, match="has no parts, so it has no 'second' to follow"):
        plain.gradient(pictures(1), by="second")
    assert plain.oracle.others() == []


def test_looking_gives_features_and_values_and_counts() -> None:
    found, rows = problem(), torch.tensor([2, 0])
    embedding, value = found.look(found.images[rows], rows)
    torch.testing.assert_close(embedding, embed(found.images[rows]))
    torch.testing.assert_close(value, embedding[:, 0])
    torch.testing.assert_close(found.best.loss[rows], value)
    assert found.oracle.queries.tolist() == [1, 0, 1]
    assert found.oracle.gradient_evaluations.tolist() == [0, 0, 0]
    other, seen = found.look(found.images, seen=second)
    torch.testing.assert_close(seen, 3 * other[:, 1])


def test_pulling_back_is_a_gradient_of_the_extractor_and_no_query() -> None:
    found, rows = problem(white_box=False), torch.tensor([1])
    direction = torch.tensor([[1.0, -2.0, 0.0, 0.5, 0.0]], dtype=torch.float64)
    gradient = found.pull_back(found.images[rows], direction, rows)
    torch.testing.assert_close(gradient, (direction.float() @ MATRIX).view(1, 3, 12, 12))
    assert found.oracle.gradient_evaluations.tolist() == [0, 1, 0]
    assert found.oracle.queries.tolist() == [0, 0, 0]


def test_a_closed_recommender_has_no_gradient() -> None:
    with pytest.raises(ValueError, match="use an attack that needs features or values"):
        problem(white_box=False).gradient(pictures(3))


def test_a_point_that_reaches_the_goal_goes_before_a_lower_loss() -> None:
    def solved(embedding: Tensor, rows: Tensor) -> Tensor:
        return embedding[:, 1] > 0

    images = torch.full((1, 3, 12, 12), 0.5)
    found = problem(images, solved=solved)
    found.evaluate(images)
    assert found.best.solved.tolist() == [False], "the goal is minded only where an attack asks for it"
    found.mind_goal = True
    aims = {"goal": (1.0, 1.0), "lower": (-5.0, -1.0), "goal and lower": (0.5, 1.0)}
    solutions = torch.linalg.pinv(MATRIX[:2])
    tried = {}
    for name, aim in aims.items():
        tried[name] = (solutions @ torch.tensor(aim)).view(1, 3, 12, 12)
        found.evaluate(tried[name])
        assert bool(found.best.solved)
    assert torch.equal(found.best.images, tried["goal and lower"])
    assert found.best.solved.tolist() == [True]
    # To settle on a point takes the goal alone, whatever the loss.
    assert found.settle(tried["goal"], torch.tensor([0])).tolist() == [True]
    assert torch.equal(found.best.images, tried["goal"])
    assert found.settle(tried["lower"], torch.tensor([0])).tolist() == [False]
    assert torch.equal(found.best.images, tried["goal"])


def test_nothing_is_settled_where_the_loss_cannot_tell() -> None:
    found = problem()
    assert found.settle(found.images, found.rows).tolist() == [False, False, False]
    assert found.best.solved.tolist() == [False, False, False]


def test_embeddings_of_another_shape_are_refused() -> None:
    wrong = Problem(EmbeddingLoss(lambda p: p, first), pictures(2), BALL, Streams([0, 1]))
    with pytest.raises(ValueError, match=r"embeddings must be \(2,D\), got \(2, 3, 12, 12\)"):
        wrong.look(pictures(2))
    plain = Problem(lambda p, r: p.flatten(1).sum(1), pictures(1), BALL, Streams([0]))
    with pytest.raises(ValueError, match="goes through an embedding"):
        plain.look(pictures(1))


def test_uploads_are_the_queries_that_changed_the_picture() -> None:
    loss, images = EmbeddingLoss(embed, first), pictures(2)
    found = Problem(loss, images, BALL, Streams([0, 1]), uploads=True)
    found.look(images)
    changed = images.clone()
    changed[1] = 0.25
    found.evaluate(changed, offer=False)
    assert found.image_updates.tolist() == [0, 1]
    assert found.oracle.queries.tolist() == [2, 2]
