"""Which items are pushed, and for whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from push_scene import World, interactions, threat, vbpr

from elliot_advrec.errors import UserError
from elliot_advrec.threats import Scene, Targets
from elliot_advrec.threats.mock_users import population_items, watched
from elliot_advrec.threats.popularity import STRATA, most_popular, strata

GROUPS = ("specific", "segment", "population")
KINDS = ("promotion", "demotion")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def trained(world: World) -> np.ndarray:
    found: np.ndarray = world.interactions.train.toarray() > 0
    return found


@pytest.mark.parametrize("users", GROUPS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_draws_are_distinct_valid_and_prefixes_of_larger_ones(
    world: World, kind: str, users: str, seed: int
) -> None:
    scene, has = world.scene(), trained(world)
    largest = 200 if users != "population" else 25
    drawn = threat(kind, users=users, pairs=largest).draw(scene, seed)
    pairs = list(zip(drawn.attack.tolist(), drawn.target.tolist(), strict=True))
    assert len(set(pairs)) == largest
    assert drawn.raised is not None
    assert (drawn.raised == (kind == "promotion")).all()
    for fewer in (1, largest // 3):
        small = threat(kind, users=users, pairs=fewer).draw(scene, seed)
        assert np.array_equal(small.attack, drawn.first(fewer).attack)
        assert np.array_equal(small.target, drawn.first(fewer).target)
    if kind == "promotion":
        distinct = min(largest, 60)
        assert len(set(drawn.attack[:distinct].tolist())) == distinct
    for item, aim in pairs:
        if users == "specific":
            assert not has[aim, item]
        elif users == "segment":
            assert aim != item
            assert (has[:, aim] & ~has[:, item]).any()
    if users == "population":
        assert len(set(drawn.target.tolist())) == 1


def test_draws_depend_on_the_seed_and_on_nothing_that_is_counted(world: World) -> None:
    for users in GROUPS:
        one, other = (threat("promotion", users=users, pairs=20).draw(world.scene(), seed) for seed in (1, 2))
        assert not np.array_equal(one.attack, other.attack)
        assert not np.array_equal(one.target, other.target)
        again = threat("promotion", users=users, pairs=20, knowledge="rank").draw(world.scene(), 1)
        assert np.array_equal(one.attack, again.attack)


def test_lowered_items_stand_in_the_lists_they_are_lowered_in(world: World) -> None:
    scene = world.scene()
    drawn = threat("demotion", pairs=100, k=[2, 6]).draw(scene, 3)
    scores = world.recommender.scores(np.arange(40)).numpy()
    scores[trained(world)] = -np.inf
    lists = np.argsort(-scores, axis=1, kind="stable")[:, :6]
    assert all(item in lists[user] for item, user in zip(drawn.attack, drawn.target, strict=True))
    judged = threat("demotion", pairs=100, k=[2, 6]).judge(scene, drawn, world.embeddings[drawn.attack])
    assert (judged["rank_before"] <= 6).all()
    segment = threat("demotion", users="segment", pairs=50, k=[6]).draw(scene, 3)
    for item, aim in zip(segment.attack, segment.target, strict=True):
        assert any(item in lists[user] for user in np.flatnonzero(trained(world)[:, aim]))


@pytest.mark.parametrize("kind", ["any", "popular", "unpopular", "cold"])
def test_items_are_of_the_kind_that_was_asked_for(world: World, kind: str) -> None:
    drawn = threat("promotion", items=kind, pairs=8).draw(world.scene(), 0)
    counts = trained(world).sum(axis=0)
    found = strata(world.interactions)
    head = found == 0
    # The definition of the short head, item by item.
    assert counts[head].sum() >= 0.8 * counts.sum() > counts[head].sum() - counts[head].min()
    assert counts[head].min() >= counts[found == 1].max()
    assert (counts[found == 2] == 0).all()
    assert (counts[found == 1] > 0).all()
    place = {"popular": 0, "unpopular": 1, "cold": 2}.get(kind)
    if place is not None:
        assert (found[drawn.attack] == place).all()
    assert len(STRATA) == 3


def test_segment_items_are_of_the_pushed_items_category_where_there_is_one(world: World) -> None:
    drawn = threat("promotion", users="segment", pairs=60).draw(world.scene(), 5)
    category = world.catalog.category
    assert (category[drawn.attack] == category[drawn.target]).all()
    plain = World(categories=0)
    drawn = threat("promotion", users="segment", pairs=60).draw(plain.scene(), 5)
    assert (category[drawn.attack] != category[drawn.target]).any()


def test_known_only_pushes_what_can_be_shown(world: World) -> None:
    scene = world.scene(known_only=True)
    for kind in KINDS:
        assert (threat(kind, pairs=30).draw(scene, 0).attack < 48).all()
    with pytest.raises(UserError, match="recommends only items with training rows never shows a cold item"):
        threat("promotion", items="cold").draw(scene, 0)


def shop(train: Any) -> Scene:
    train = np.asarray(train)
    users, items = train.shape
    embeddings = np.arange(items, dtype=np.float32)[:, None]
    made = vbpr(np.ones((users, 2)), np.ones((items, 1)), np.zeros(items), np.ones((2, 1)), embeddings)
    return Scene(embeddings, recommender=made, interactions=interactions(train))


@pytest.mark.parametrize(
    ("train", "settings", "message"),
    [
        (np.zeros((3, 5)), {}, "no user has a history"),
        ([[1, 1, 0], [1, 0, 0]], {"k": [3]}, "a list of 3 holds all of the 3 items .* below 3"),
        ([[1, 1, 0], [1, 0, 0]], {"pairs": 4}, "4 pairs were asked for, and there are 3; ask for at most 3"),
        ([[1, 1, 1]], {"pairs": 1}, "there are 0; nobody can be attacked by these"),
        (
            [[1, 1, 1], [1, 0, 0]],
            {"items": "cold"},
            "no cold items; cold items are those that no training row",
        ),
        ([[1, 0, 0], [1, 0, 0]], {"items": "unpopular"}, "no unpopular items; take items: any"),
        ([[1, 1, 0], [1, 0, 0]], {"users": "population", "pairs": 3}, "ask for at most 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(train: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        threat("promotion", **{"k": [1], "pairs": 1, **settings}).draw(shop(train), 0)


def test_a_user_without_history_is_never_attacked() -> None:
    train = np.zeros((5, 8))
    train[[0, 2, 4], [1, 2, 3]] = 1
    for kind in KINDS:
        drawn = threat(kind, pairs=9, k=[3]).draw(shop(train), 0)
        assert set(drawn.target.tolist()) <= {0, 2, 4}


def test_mock_users_have_one_item_each_and_never_the_pushed_one(world: World) -> None:
    drawn = threat("promotion", users="population", pairs=60).draw(world.scene(), 0)
    found = watched(world.scene(), drawn, "population", 20)
    items = population_items(world.interactions, int(drawn.target[0]), 20)
    assert found.histories.shape == (21, 60)
    assert np.array_equal(found.histories.indices, items)
    assert (items < 48).all()
    assert len(set(items.tolist())) == 21
    assert found.index.shape == (60, 20)
    held = items[found.index]
    assert not (held == drawn.attack[:, None]).any()
    assert all(len(set(row)) == 20 for row in found.index.tolist())
    with pytest.raises(UserError, match=r"mock_users: 48 mock users need 49 .*; ask for at most 47"):
        watched(world.scene(), drawn, "population", 48)


def test_segments_are_watched_through_their_item_and_users_through_themselves(world: World) -> None:
    targets = Targets(np.array([50, 51, 52]), np.array([7, 3, 7]))
    found = watched(world.scene(), targets, "segment", 9)
    assert found.histories[found.index[:, 0]].indices.tolist() == [7, 3, 7]
    own = watched(world.scene(), targets, "specific", 9)
    assert own.recommender is world.recommender
    assert own.index.tolist() == [[7], [3], [7]]


def test_the_most_popular_companion() -> None:
    train = np.zeros((4, 6))
    train[:, 0] = train[:3, 1] = train[:3, 3] = train[:2, 4] = 1
    data = interactions(train)
    items = np.arange(6)
    assert most_popular(data, None, items).tolist() == [1, 0, 0, 0, 0, 0]
    world = World()
    world.catalog.category[:6] = [0, 1, 1, 1, 2, -1]
    small = world.catalog.keep(np.arange(6))
    assert most_popular(data, small, items).tolist() == [1, 3, 1, 1, 0, 0]
    assert most_popular(interactions(np.ones((1, 1))), None, np.array([0])).tolist() == [0]
