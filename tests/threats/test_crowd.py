"""Places of one changed item in the lists of many users."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from push_scene import World, interactions, naive_rank, vbpr

from elliot_advrec.threats import crowd as crowd_module
from elliot_advrec.threats.crowd import Crowd


@pytest.fixture(scope="module", params=["VBPR", "ContentKNN"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.mark.parametrize("raised", [True, False])
@pytest.mark.parametrize("known_only", [False, True])
def test_ranks_equal_a_naive_loop_whatever_the_blocks(
    world: World, raised: bool, known_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd_module, "users_at_once", lambda items: 7)
    open_items = world.interactions.trained() if known_only else None
    users = np.array([0, 3, 9, 21, 39, 5, 6, 8, 11])
    items = np.array([2, 17, 30 if known_only else 50, 2])
    crowd = Crowd(
        world.recommender, users, world.interactions.train, items, raised=raised, open_items=open_items
    )
    random = np.random.default_rng(2)
    looks = world.embeddings[random.integers(60, size=4)] + random.normal(size=(4, 12)).astype(np.float32) / 9
    rows = torch.tensor([3, 0, 2])
    found = crowd.ranks(torch.from_numpy(looks[[3, 0, 2]]), rows)
    assert found.shape == (9, 3)
    shown = set(np.flatnonzero(open_items).tolist()) if known_only else set(range(60))
    for column, row in enumerate(rows.tolist()):
        scores = world.recommender.with_items(items[[row]], looks[[row]]).scores(users).numpy()
        for place, user in enumerate(users):
            history = set(world.interactions.train[user].indices.tolist())
            if items[row] in history:
                continue
            closed = history | (set(range(60)) - shown)
            own = scores[place, items[row]]
            assert found[place, column] == naive_rank(scores[place], own, items[row], closed, raised=raised)


def test_a_shallow_list_tells_its_own_places_apart_and_no_others(world: World) -> None:
    users, items = np.arange(40), np.arange(48, 60)
    looks, rows = torch.from_numpy(world.embeddings[10:22]), torch.arange(12)
    whole, top = (
        Crowd(world.recommender, users, world.interactions.train, items, depth=depth).ranks(looks, rows)
        for depth in (None, 5)
    )
    assert torch.equal(top, whole.clamp_max(6))
    assert 1 < (top < 6).sum() < top.numel()


def test_scores_are_those_of_each_item_alone_changed(world: World) -> None:
    users, items = np.array([4, 4, 0]), np.array([50, 51])
    looks = world.embeddings[[7, 8]]
    found = Crowd(world.recommender, users, world.interactions.train, items).scores(
        torch.from_numpy(looks[::-1].copy()), torch.tensor([1, 0])
    )
    for column, row in enumerate((1, 0)):
        alone = world.recommender.with_items(items[[row]], looks[[row]]).scores(users)[:, items[row]]
        assert torch.allclose(found[:, column], alone, atol=1e-6)


def test_equal_scores_count_against_the_adversary() -> None:
    """One user, scores 3 2 2 2 1 for items that differ by bias alone; item 4 comes to score 2 or 3."""
    made = vbpr([[0.0, 1.0]], np.zeros((5, 1)), [3, 2, 2, 2, 1], [[1.0], [0.0]], np.zeros((5, 1)))
    data = interactions(np.zeros((1, 5)))
    for raised, expected in ((True, [5, 2, 1]), (False, [2, 1, 1])):
        crowd = Crowd(made, np.array([0]), data.train, np.array([4]), raised=raised)
        assert crowd.lists.own.tolist() == [[1.0]]
        ranks = [
            int(crowd.ranks(torch.tensor([[value]]), torch.tensor([0]))) for value in (1.0, 2.0 - 1e-9, 2.5)
        ]
        assert ranks == expected
    assert crowd.bar(1).tolist() == [[3.0]]
    own_first = Crowd(made, np.array([0]), data.train, np.array([0]))
    assert own_first.bar(1).tolist() == [[2.0]]
    assert own_first.bar(4).tolist() == [[1.0]]
    # Deviation of 3 2 2 2 1.
    assert float(own_first.lists.spread) == pytest.approx(np.sqrt(0.4))
