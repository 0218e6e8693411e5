"""The item-to-item threat: whom it draws, what it minimises, and how it judges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.streams import Streams
from elliot_advrec.threats import THREATS, Scene, Targets, ranks
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig


def threat(pairs: int = 10) -> ItemToItem:
    return ItemToItem(ItemToItemConfig(pairs=pairs))


def naive_rank(embeddings: np.ndarray, attack: int, target: int, stand_in: np.ndarray) -> int:
    """The definition, one item at a time, in float64."""

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.astype(np.float64), b.astype(np.float64)
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    own = cosine(stand_in, embeddings[target])
    rank = 1
    for item in range(len(embeddings)):
        if item not in (attack, target) and cosine(embeddings[item], embeddings[target]) >= own:
            rank += 1
    return rank


def test_registered_with_the_papers_defaults() -> None:
    config = THREATS.get("item_to_item")().config
    assert (config.pairs, config.rank_min) == (500, (1, 3, 10, 100))  # type: ignore[attr-defined]
    assert "neighbour list" in ItemToItem.summary()


@settings(max_examples=60)
@given(st.integers(2, 40), st.integers(0, 2**40), st.data())
def test_draw_is_distinct_valid_and_a_prefix_of_larger_draws(n_items: int, seed: int, data: Any) -> None:
    pairs = data.draw(st.integers(1, n_items * (n_items - 1)))
    fewer = data.draw(st.integers(1, pairs))
    drawn = threat(pairs).draw(Scene(np.empty((n_items, 0))), seed)
    assert len(drawn) == pairs
    assert (drawn.attack != drawn.target).all()
    assert set(drawn.attack) | set(drawn.target) <= set(range(n_items))
    assert len(set(zip(drawn.attack.tolist(), drawn.target.tolist(), strict=True))) == pairs
    assert len(set(drawn.attack[:n_items])) == min(pairs, n_items)
    small = threat(fewer).draw(Scene(np.empty((n_items, 0))), seed)
    assert np.array_equal(small.attack, drawn.first(fewer).attack)
    assert np.array_equal(small.target, drawn.first(fewer).target)


def test_draw_depends_on_the_seed_and_covers_the_catalog() -> None:
    first, second = (
        threat(300).draw(Scene(np.empty((400, 0))), 1),
        threat(300).draw(Scene(np.empty((400, 0))), 2),
    )
    assert not np.array_equal(first.attack, second.attack)
    assert not np.array_equal(first.target, second.target)
    # Uniform targets: the mean of 300 draws from 0..399 lies within 4 standard errors of its middle.
    assert abs(first.target.mean() - 199.5) < 4 * 115.5 / 300**0.5


@pytest.mark.parametrize(
    ("pairs", "items", "message"),
    [(1, 0, "needs 2 items"), (1, 1, "needs 2 items"), (7, 3, "7 pairs .* from 3 items; ask for at most 6")],
)
def test_pairs_that_cannot_be_drawn_are_refused(pairs: int, items: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        threat(pairs).draw(Scene(np.empty((items, 0))), 0)


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"pairs": 0}, "pairs"),
        ({"rank_min": []}, "rank_min"),
        ({"rank_min": [0, 3]}, "distinct ranks of 1 or more"),
        ({"rank_min": [3, 3]}, "distinct ranks"),
        ({"rank_max": 3}, "did you mean 'rank_min'"),
    ],
)
def test_bad_settings_are_refused(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(ItemToItemConfig, given_settings, "threat")


def test_slices_of_targets() -> None:
    targets = Targets(np.array([4, 5, 6]), np.array([1, 2, 3]))
    assert targets.slice(1, 3).attack.tolist() == [5, 6]
    assert targets.first(1).target.tolist() == [1]
    assert targets.first(4).attack.tolist() == [4, 5, 6]


@settings(max_examples=25)
@given(st.integers(3, 60), st.integers(0, 2**32))
def test_judge_equals_a_naive_loop_whatever_the_blocks(n_items: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(n_items, 5)).astype(np.float32)
    targets = threat(min(8, n_items)).draw(Scene(np.empty((n_items, 0))), seed)
    attacked = random.normal(size=(len(targets), 5)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "ITEMS", 7)
        patch.setattr(ranks, "PAIRS", 3)
        judged = threat().judge(Scene(embeddings), targets, attacked)
    for place, (a, t) in enumerate(zip(targets.attack, targets.target, strict=True)):
        assert judged["rank_before"][place] == naive_rank(embeddings, a, t, embeddings[a])
        assert judged["rank_after"][place] == naive_rank(embeddings, a, t, attacked[place])


def test_judge_reports_cosines() -> None:
    embeddings = np.array([[1, 0], [0, 2], [1, 1]], dtype=np.float32)
    judged = threat().judge(
        Scene(embeddings), Targets(np.array([0]), np.array([1])), np.array([[3, 4]], dtype=np.float32)
    )
    assert judged["cosine_before"] == pytest.approx([0.0])
    assert judged["cosine_after"] == pytest.approx([0.8])
    assert judged["rank_before"].tolist() == [2]
    assert judged["rank_after"].tolist() == [1]


def test_ties_go_against_the_adversary() -> None:
    random = np.random.default_rng(3)
    embeddings = random.normal(size=(50, 129)).astype(np.float32)
    embeddings[10:20] = embeddings[10]  # ten equal items
    targets = Targets(np.array([0, 12]), np.array([1, 1]))
    judged = threat().judge(Scene(embeddings), targets, embeddings[[10, 10]])
    nearer = naive_rank(embeddings, 0, 1, embeddings[10])
    assert judged["rank_after"].tolist() == [
        nearer,
        nearer - 1,
    ]  # the second pair's own clean entry is left out
    collapsed = threat().judge(
        Scene(np.ones((50, 4), dtype=np.float32)), targets, np.ones((2, 4), dtype=np.float32)
    )
    assert collapsed["rank_after"].tolist() == [49, 49]


def test_reaching_the_target_itself_is_rank_one() -> None:
    embeddings = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    targets = threat(20).draw(Scene(np.empty((30, 0))), 0)
    judged = threat().judge(Scene(embeddings), targets, embeddings[targets.target] * 5)
    assert judged["rank_after"].tolist() == [1] * 20
    assert judged["cosine_after"] == pytest.approx([1.0] * 20)


@pytest.mark.parametrize("where", ["catalog", "attacked"])
def test_embeddings_that_are_not_numbers_are_refused(where: str) -> None:
    embeddings, attacked = np.ones((5, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32)
    (embeddings if where == "catalog" else attacked)[0] = np.nan
    with pytest.raises(ValueError, match=r"embedding .*NaN or infinite"):
        threat().judge(Scene(embeddings), Targets(np.array([1]), np.array([2])), attacked)


def test_shapes_that_do_not_fit_are_refused() -> None:
    embeddings, targets = np.ones((5, 3), dtype=np.float32), Targets(np.array([1]), np.array([2]))
    with pytest.raises(ValueError, match=r"must be \(1, 3\), got \(2, 3\)"):
        threat().judge(Scene(embeddings), targets, np.ones((2, 3), dtype=np.float32))


class Embedder(nn.Module):
    """A small embedder with fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.weight = torch.randn(8, 3, 3, 3, generator=random)

    def embed(self, pixels: Tensor) -> Tensor:
        return torch.conv2d(pixels, self.weight, stride=2).relu().flatten(1)


def test_loss_is_the_cosine_distance_per_sample_with_a_true_gradient() -> None:
    extractor = Embedder()
    images = torch.rand(6, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    embeddings = extractor.embed(images)
    attack, target = np.array([0, 1, 2]), np.array([3, 4, 3])
    loss = threat().loss(Scene(embeddings.numpy()), extractor, Targets(attack, target))
    rows = torch.tensor([2, 0])
    found = loss(images[[2, 0]], rows)
    for value, a, t in zip(found, (2, 0), (3, 3), strict=True):
        e, w = embeddings[a].double(), embeddings[t].double()
        assert value.item() == pytest.approx(1 - float(e @ w / e.norm() / w.norm()), abs=1e-6)
    # The slope along a random direction against a central difference.
    points = images[[2, 0]].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(points, rows).sum(), points)
    way = torch.randn(points.shape, generator=torch.Generator().manual_seed(2)) * 1e-3
    rise = (loss(points + way, rows) - loss(points - way, rows)).sum().item() / 2
    assert rise == pytest.approx(float((gradient * way).sum()), rel=0.02)


def test_an_attack_raises_the_rank() -> None:
    extractor = Embedder()
    images = torch.rand(40, 3, 11, 11, generator=torch.Generator().manual_seed(1))
    embeddings = extractor.embed(images)
    targets = threat(12).draw(Scene(np.empty((40, 0))), 5)
    loss = threat().loss(Scene(embeddings), extractor, targets)
    found = PGD(PGDConfig(steps=20, step_rule="cosine"))(
        loss, images[torch.from_numpy(targets.attack)], Budget("linf", 0.2), Streams(range(12))
    )
    judged = threat().judge(Scene(embeddings), targets, extractor.embed(found.images))
    assert (judged["cosine_after"] > judged["cosine_before"]).all()
    assert (judged["rank_after"] <= 3).mean() > (judged["rank_before"] <= 3).mean() + 0.3
