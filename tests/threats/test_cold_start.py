"""Promotion of items that nobody has taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from push_scene import World, interactions, naive_rank, threat

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.imitation import Paste, PasteConfig, Replace
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.streams import Streams


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_it_draws_cold_items_and_popular_hooks(world: World) -> None:
    drawn = threat("cold_start", pairs=12, hooks=3).draw(world.scene(), 5)
    assert sorted(drawn.attack.tolist()) == list(range(48, 60))
    counts = world.interactions.train.toarray().astype(bool).sum(0)
    popular = np.argsort(-counts, kind="stable")[:3]
    assert set(drawn.target.tolist()) == set(popular.tolist())
    small = threat("cold_start", pairs=5, hooks=3).draw(world.scene(), 5)
    assert np.array_equal(small.attack, drawn.attack[:5])
    assert np.array_equal(small.target, drawn.target[:5])
    assert threat("cold_start", pairs=2).draw(world.scene(), 5).target.tolist() == [popular[0]] * 2
    assert threat("cold_start", pairs=2).names(world.scene(), small)[0] == f"item{small.target[0]}"


def test_catalogs_and_recommenders_without_cold_items_are_refused(world: World) -> None:
    made = threat("cold_start", pairs=13)
    with pytest.raises(UserError, match=r"13 pairs .* the catalog has 12 cold items; ask for at most 12"):
        made.draw(world.scene(), 0)
    with pytest.raises(UserError, match="has no cold items; cold items are those that no training"):
        made.draw(world.scene(interactions=interactions(np.ones((40, 60)))), 0)
    with pytest.raises(UserError, match="never shows a cold item; let it recommend the whole catalog"):
        made.draw(world.scene(known_only=True), 0)
    with pytest.raises(UserError, match="distinct cut-offs"):
        threat("cold_start", k=[0])


@pytest.mark.parametrize(
    ("recommender", "knowledge", "reason"),
    [
        ("VBPR", "insider", None),
        ("ContentKNN", "insider", "no gradient"),
        ("ContentKNN", "expert", None),
        ("ContentKNN", "semantic", None),
        ("ACF", "expert", "without looking at its picture"),
    ],
)
def test_whom_it_suits(recommender: str, knowledge: str, reason: str | None) -> None:
    found = threat("cold_start", knowledge=knowledge).suits(RECOMMENDERS.get(recommender))
    assert (found is None) if reason is None else reason in (found or "")


def test_losses_are_mean_score_and_distance_to_the_hook(world: World) -> None:
    scene = world.scene()
    targets = threat("cold_start", pairs=6, hooks=4).draw(scene, 1)
    looks, rows = world.embeddings[[5, 9]], torch.tensor([4, 1])
    points = torch.from_numpy(looks)
    insider = threat("cold_start").loss(scene, world.extractor, targets)
    for value, row, look in zip(insider.main(points, rows), rows.tolist(), looks, strict=True):
        item = targets.attack[[row]]
        scores = world.recommender.with_items(item, look[None]).scores(np.arange(40))[:, item[0]]
        assert float(value) == pytest.approx(-float(scores.mean()), abs=1e-5)
    expert = threat("cold_start", knowledge="expert").loss(scene, world.extractor, targets)
    for value, row, look in zip(expert.main(points, rows), rows.tolist(), looks, strict=True):
        hook = world.embeddings[targets.target[row]]
        assert float(value) == pytest.approx(((look - hook) ** 2).sum() / (hook**2).sum(), rel=1e-4)
    exact = points.double().requires_grad_(True)
    for loss in (insider, expert):
        assert loss.white_box
        assert torch.autograd.gradcheck(lambda e, loss=loss: loss.main(e, rows), exact, eps=1e-7, atol=1e-5)
    semantic = threat("cold_start", knowledge="semantic").loss(scene, world.extractor, targets)
    assert not semantic.white_box
    assert semantic.main(points, rows).tolist() == [0.0, 0.0]
    assert semantic.reference is not None
    assert torch.equal(semantic.reference(rows), world.images[torch.from_numpy(targets.target[[4, 1]])])


def test_judge_equals_a_naive_loop(world: World) -> None:
    made = threat("cold_start", pairs=5, k=[2, 7])
    targets = made.draw(world.scene(), 1)
    attacked = world.embeddings[3:8] * 1.2
    judged = made.judge(world.scene(), targets, attacked)
    for place, item in enumerate(targets.attack):
        changed = world.recommender.with_items(targets.attack[[place]], attacked[[place]])
        for moment, recommender in (("before", world.recommender), ("after", changed)):
            scores = recommender.scores(np.arange(40)).numpy()
            histories = [set(row.indices.tolist()) for row in world.interactions.train]
            ranks = np.array(
                [naive_rank(s, s[item], item, h) for s, h in zip(scores, histories, strict=True)]
            )
            assert judged[f"rank_{moment}"][place] == np.median(ranks)
            assert judged[f"hit_7_{moment}"][place] == pytest.approx((ranks <= 7).mean())
            assert judged[f"score_{moment}"][place] == pytest.approx(scores[:, item].mean(), abs=1e-5)
    assert (judged["stratum"] == 2).all()
    judged |= {f"hit_{k}_after_8bit": judged[f"hit_{k}_after"] for k in (2, 7)}
    rows = {(row["metric"], row.get("k")): row["value"] for row in made.rows(judged)}
    assert rows["hit_rate", 7] == pytest.approx(judged["hit_7_after"].mean())
    grew = judged["hit_7_after"] > judged["hit_7_before"]
    assert made.successes(judged, "after")[1].met.tolist() == grew.tolist()


PULL = PGD(PGDConfig(steps=10, step_rule="cosine"))


@pytest.mark.parametrize(
    ("knowledge", "attack"),
    [("insider", PULL), ("expert", PULL), ("semantic", Replace())],
    ids=["insider", "expert", "semantic"],
)
def test_attacks_promote(world: World, knowledge: str, attack: Attack) -> None:
    made: Any = threat("cold_start", pairs=12, knowledge=knowledge)
    targets = made.draw(world.scene(), 1)
    loss = made.loss(world.scene(), world.extractor, targets)
    images = world.images[torch.from_numpy(targets.attack)]
    eps = 1.0 if knowledge == "semantic" else 0.2
    found = attack(loss, images, Budget("linf", eps), Streams(range(12)))
    embeddings = world.extractor.embed(found.images)
    judged = made.judge(world.scene(), targets, embeddings)
    if knowledge == "insider":
        assert (judged["score_after"] > judged["score_before"]).all()
        assert judged["hit_5_after"].mean() > judged["hit_5_before"].mean() + 0.1
    else:
        hook = world.embeddings[targets.target]
        before, after = (
            np.linalg.norm(e - hook, axis=1) for e in (world.embeddings[targets.attack], embeddings.numpy())
        )
        assert (after < 0.8 * before).all()


def test_an_inset_shows_the_hook(world: World) -> None:
    made: Any = threat("cold_start", pairs=12, hooks=3, knowledge="semantic")
    targets = made.draw(world.scene(), 1)
    loss = made.loss(world.scene(), world.extractor, targets)
    images, hooks = (world.images[torch.from_numpy(rows)] for rows in (targets.attack, targets.target))
    half = images.shape[-1] // 2
    found = Paste(PasteConfig(scale=0.5, position="top_left"))(
        loss, images, Budget("linf", 1.0), Streams(range(12))
    )
    inset = torch.nn.functional.avg_pool2d(hooks, 2)
    close = (found.images[:, :, :half, :half] - inset).flatten(1).norm(dim=1)
    others = (found.images[:, :, :half, :half] - inset.roll(1, 0)).flatten(1).norm(dim=1)
    same = torch.from_numpy(targets.target == np.roll(targets.target, 1))
    assert ((close < 0.5 * others) | same).all()
    assert not same.all()
    assert torch.equal(found.images[:, :, half:], images[:, :, half:])
