"""What attacks minimise when they push an item up or down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from push_scene import World, catalog, interactions, naive_rank, threat, vbpr

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene, Targets
from elliot_advrec.threats.mock_users import watched

SMALL = {"mock_users": 20, "k": [1, 3, 5], "visible": 0.2, "evaluated_users": 30}
EVERY = [
    (kind, users, objective)
    for kind in ("promotion", "demotion")
    for users in ("specific", "segment", "population")
    for objective in ("score", "margin", "rank")
]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def ready(world: World, kind: str, pairs: int = 10, **settings: Any) -> tuple[Any, Targets, EmbeddingLoss]:
    made = threat(kind, pairs=pairs, **SMALL, **settings)
    targets = made.draw(world.scene(), 7)
    return made, targets, made.loss(world.scene(), world.extractor, targets)


@pytest.mark.parametrize(("kind", "users", "objective"), EVERY)
def test_gradients_are_those_of_the_values(world: World, kind: str, users: str, objective: str) -> None:
    _, targets, loss = ready(world, kind, users=users, objective=objective)
    assert loss.white_box
    assert loss.around is None
    assert sorted([*loss.others, objective]) == ["margin", "rank", "score"]
    points = torch.from_numpy(world.embeddings[targets.attack[[4, 1]]]).double().requires_grad_(True)
    rows = torch.tensor([4, 1])
    for each in (loss.main, *loss.others.values()):
        assert each(points, rows).shape == (2,)
        assert each(points.float(), rows).dtype == torch.float32
        assert torch.autograd.gradcheck(lambda e, each=each: each(e, rows), points, eps=1e-7, atol=1e-5)
        (slope,) = torch.autograd.grad(each(points, rows).sum(), points)
        assert (slope.abs().amax(1) > 0).all()
    pixels = world.images[torch.from_numpy(targets.attack[[4, 1]])]
    assert torch.equal(loss(pixels, rows), loss.main(world.extractor.embed(pixels), rows))


@pytest.mark.parametrize(("kind", "users", "objective"), EVERY)
def test_a_pair_does_not_depend_on_its_batch(world: World, kind: str, users: str, objective: str) -> None:
    made, targets, loss = ready(world, kind, users=users, objective=objective)
    looks = torch.from_numpy(world.embeddings[20:30])
    together = loss.main(looks, torch.arange(10))
    for place in (0, 3, 9):
        alone = made.loss(world.scene(), world.extractor, targets.slice(place, place + 1))
        one = alone.main(looks[[place]], torch.tensor([0]))
        assert torch.allclose(one, together[[place]], atol=2e-5, rtol=1e-4)
    assert torch.allclose(loss.main(looks[[3, 3]], torch.tensor([3, 3])), together[[3, 3]], atol=1e-6)


@pytest.mark.parametrize(("kind", "users", "objective"), EVERY)
def test_pgd_moves_the_score_the_right_way(world: World, kind: str, users: str, objective: str) -> None:
    made, targets, loss = ready(world, kind, pairs=12, users=users, objective=objective)
    images = world.images[torch.from_numpy(targets.attack)]
    found = PGD(PGDConfig(steps=10, step_rule="cosine"))(
        loss, images, Budget("linf", 0.2), Streams(range(12))
    )
    judged = made.judge(world.scene(), targets, world.extractor.embed(found.images))
    sign = 1 if kind == "promotion" else -1
    assert (sign * (judged["score_after"] - judged["score_before"])).mean() > 0.05
    assert (sign * (judged["rank_before"] - judged["rank_after"])).mean() > 2
    if (kind, users) != ("demotion", "population") or objective == "margin":
        # Everybody's scores cannot all fall at once: only the margin keeps the item out of all lists.
        assert sign * (judged["hit_5_after"] - judged["hit_5_before"]).mean() > 0.05
    clean = loss(images, torch.arange(12))
    assert (found.loss <= clean + 1e-6).all()


def test_known_factors_give_known_losses() -> None:
    """One user (1, 1) who took item 0; scores 5 4 3 2 1 0 by bias; item 5 scores its only feature, x."""
    embeddings = np.zeros((6, 1), np.float32)
    made = vbpr([[1.0, 1.0]], np.zeros((6, 1)), [5, 4, 3, 2, 1, 0], [[1.0], [0.0]], embeddings)
    scene = Scene(embeddings, catalog(6), recommender=made, interactions=interactions(np.eye(1, 6)))
    targets = Targets(np.array([5]), np.array([0]), np.array([True]))
    point, rows = torch.tensor([[2.5]]), torch.tensor([0])
    spread = np.std([4, 3, 2, 1, 0])

    class Same:
        def embed(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1)

    def of(kind: str, **settings: Any) -> EmbeddingLoss:
        return threat(kind, **{"k": [1, 3], **settings}).loss(scene, Same(), targets)

    for kind, sign in (("promotion", 1), ("demotion", -1)):
        loss = of(kind)
        assert float(loss.main(point, rows)) == pytest.approx(-2.5 * sign)
        # Up into the first place (4), down out of the first three (2 is the third best other item).
        way = (4 - 2.5) if kind == "promotion" else (2.5 - 2)
        assert float(loss.others["margin"](point, rows)) == pytest.approx(np.log1p(np.exp(way / spread)))
        others = np.array([4.0, 3.0, 2.0, 1.0])
        passed = 1 / (1 + np.exp(-sign * (2.5 - others) / (0.2 * spread)))
        assert float(loss.others["rank"](point, rows)) == pytest.approx(-passed.sum() / 6, rel=1e-5)
        assert loss.solved is not None
        reached = [bool(loss.solved(torch.tensor([[x]]), rows)) for x in (1.99, 2.5, 3.99, 4.001, 4.1)]
        # Up: clearly above 4, by a hundredth of the deviation; down: clearly below 2.
        assert reached == ([False] * 4 + [True] if sign > 0 else [False] * 5)
        assert bool(loss.solved(torch.tensor([[1.9]]), rows)) == (sign < 0)
        ranks = of(kind, knowledge="rank")
        assert [float(ranks.main(torch.tensor([[x]]), rows)) for x in (-1, 2.5, 9)] == pytest.approx(
            [sign * r / 6 for r in (5, 3, 1)]
        )
        shown = of(kind, knowledge="score")
        assert float(shown.main(point, rows)) == pytest.approx(-2.5 * sign)
        assert not shown.white_box
        assert not ranks.white_box
        assert not shown.others
    top = of("demotion", knowledge="partial", visible=0.4)  # two places are shown; the third is as any other
    assert [float(top.main(torch.tensor([[x]]), rows)) for x in (9, 3.5, 2.5, -1)] == pytest.approx(
        [-1 / 6, -2 / 6, -3 / 6, -3 / 6]
    )


@pytest.mark.parametrize("knowledge", ["white", "score", "rank"])
@pytest.mark.parametrize("kind", ["promotion", "demotion"])
def test_a_populations_active_user_is_at_the_percentile(world: World, kind: str, knowledge: str) -> None:
    made, targets, loss = ready(world, kind, users="population", knowledge=knowledge, percentile=30)
    found = watched(world.scene(), targets, "population", 20)
    looks = world.embeddings[20:30]
    for place in range(10):
        changed = found.recommender.with_items(targets.attack[[place]], looks[[place]])
        scores = changed.scores(found.index[place]).numpy()
        own = scores[:, targets.attack[place]]
        # The sixth of twenty, from the one who likes the item most.
        user = np.argsort(-own, kind="stable")[5]
        value = float(loss.main(torch.from_numpy(looks[[place]]), torch.tensor([place])))
        sign = 1 if kind == "promotion" else -1
        if knowledge != "rank":
            assert value == pytest.approx(-sign * own[user], abs=1e-5)
        else:
            histories = found.histories[found.index[place]]
            ranks = [
                naive_rank(s, o, int(targets.attack[place]), set(h.indices.tolist()), raised=made.raised)
                for s, o, h in zip(scores, own, histories, strict=True)
            ]
            assert value == pytest.approx(sign * sorted(ranks)[5] / 60)
    if knowledge == "white":
        return
    assert loss.around is not None
    rows = torch.tensor([2, 7])
    seen = loss.around(torch.from_numpy(looks[[2, 7]]), rows)
    assert torch.allclose(
        seen(torch.from_numpy(looks[[2, 7]]), rows), loss.main(torch.from_numpy(looks[[2, 7]]), rows)
    )
    # Elsewhere the same user is looked at, whoever is at the percentile there.
    near = torch.from_numpy(looks[[5, 5, 1]] * 3)
    places = torch.tensor([7, 2, 2])
    values = seen(near, places)
    assert values.shape == (3,)
    crowds = [seen(near[[i]], places[[i]]) for i in range(3)]
    assert torch.allclose(values, torch.cat(crowds), atol=1e-6)
    assert not torch.allclose(values, loss.main(near, places))


def test_pictures_to_copy_are_of_the_most_popular_item(world: World) -> None:
    _, targets, loss = ready(world, "promotion")
    assert loss.reference is not None
    shown = loss.reference(torch.tensor([3, 0]))
    counts = world.interactions.train.toarray().astype(bool).sum(0)
    category = world.catalog.category
    for picture, place in zip(shown, (3, 0), strict=True):
        item = targets.attack[place]
        alike = np.flatnonzero((category == category[item]) & (np.arange(60) != item))
        assert torch.equal(picture, world.images[alike[np.argmax(counts[alike])]])
    made = threat("promotion", pairs=3, **SMALL)
    scene = world.scene(pixels=None)
    assert made.loss(scene, world.extractor, made.draw(scene, 0)).reference is None


def test_a_group_does_not_say_when_it_is_solved(world: World) -> None:
    assert ready(world, "promotion", knowledge="rank")[2].solved is not None
    for settings in ({"users": "segment"}, {"users": "population"}, {"knowledge": "partial"}):
        assert ready(world, "promotion", **settings)[2].solved is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"users": "population"}, "take objective: margin"),
        ({"users": "population", "knowledge": "score"}, "knowledge: rank has no such flaw"),
        ({"users": "population", "objective": "margin"}, None),
        ({"users": "population", "objective": "rank"}, None),
        ({"users": "population", "knowledge": "rank"}, None),
        ({"users": "population", "knowledge": "partial"}, None),
        ({"users": "segment"}, None),
        ({}, None),
    ],
)
def test_who_pushes_down_for_everybody_by_score_is_warned(settings: dict[str, Any], said: str | None) -> None:
    caveat = threat("demotion", **settings).caveat()
    assert caveat is None if said is None else said in str(caveat)
    assert threat("promotion", **settings).caveat() is None


def test_the_warning_is_true(world: World) -> None:
    """By their score items fall, and stand in more lists than before; by the margin they leave lists."""
    grew = {}
    for objective in ("score", "margin"):
        made = threat("demotion", pairs=12, users="population", objective=objective, k=[5], mock_users=12)
        targets = made.draw(world.scene(), 1)
        loss = made.loss(world.scene(), world.extractor, targets)
        images = world.images[torch.from_numpy(targets.attack)]
        attack = PGD(PGDConfig(steps=10, step_rule="cosine"))
        found = attack(loss, images, Budget("linf", 0.2), Streams(range(12)))
        judged = made.judge(world.scene(), targets, world.extractor.embed(found.images))
        assert judged["score_after"].mean() < judged["score_before"].mean()
        grew[objective] = (judged["hit_5_after"] - judged["hit_5_before"]).mean()
    assert grew["margin"] < -0.03
    assert grew["score"] > 0.03
