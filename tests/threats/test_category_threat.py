"""The category threat: which categories it takes, what it minimises, and how it judges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from small_shop import NAMES, attacked, catalog, shop

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.features import Features
from elliot_advrec.metrics.exposure import category_hits
from elliot_advrec.threats import THREATS, Scene, Targets
from elliot_advrec.threats.categories import choose, popularity
from elliot_advrec.threats.category import Category, CategoryConfig


def threat(**settings: Any) -> Category:
    return Category(CategoryConfig(**settings))


def taken(*rows: list[int]) -> Interactions:
    """A user a row; a stored rating of 0 is an interaction."""
    matrix = csr_matrix(np.zeros((len(rows), 12), np.float32))
    user = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    matrix = csr_matrix((np.zeros(len(user), np.float32), (user, np.concatenate(rows))), shape=matrix.shape)
    return Interactions(
        [f"u{u}" for u in range(len(rows))], matrix, None, csr_matrix((len(rows), 12)), True, []
    )


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, -1])
"""Boots 0 to 3, coats 4 to 6, hats 7 to 10, one without a label."""


def test_registered_with_a_preset_of_its_defaults() -> None:
    assert THREATS.get("category") is Category
    config = Category().config
    assert (config.source, config.target, config.pairs) == ("auto", "auto", None)
    assert Category.needs_categories
    assert Category.one_catalog
    assert not Category.on_recommender


def test_popularity_counts_stored_entries_of_labelled_items() -> None:
    found = popularity(catalog(LABELS), taken([0, 1, 11], [0, 4], [7]))
    assert found.items.tolist() == [4, 3, 4]
    assert found.known.tolist() == [2, 1, 1]
    assert found.taken.tolist() == [3, 1, 1]


def test_auto_takes_the_least_taken_an_item_and_the_most_taken_at_all() -> None:
    # Taken: boots 3 of 4 items, coats 3 of 3, hats 2 of 4: hats have the least an item, boots come first.
    seen = taken([0, 1, 4, 7], [0, 5, 8], [6])
    shelf = catalog(LABELS)
    assert choose(shelf, seen, "auto", "auto", 1) == (2, 0)
    assert choose(shelf, seen, "auto", "auto", 3) == (1, 0)  # only two hats have a training row
    assert choose(shelf, seen, "auto", "hat", 1) == (0, 2)
    assert choose(shelf, seen, "boot", "auto", 1) == (0, 1)
    assert choose(shelf, None, "coat", "hat", 99) == (1, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "boots"}, "source: unknown category 'boots'; did you mean 'boot'"),
        ({"target": "cape"}, "target: unknown category 'cape'.*known: auto, boot, coat, hat"),
        ({"source": "sock"}, "no item is of the category 'sock'"),
        ({"min_items": 5}, "no category beside 'boot' has 5 items with a training row; name it, or lower"),
    ],
)
def test_categories_that_cannot_be_taken_are_refused(settings: dict[str, Any], message: str) -> None:
    shelf = catalog(LABELS, ["boot", "coat", "hat", "sock"]) if "sock" in message else catalog(LABELS)
    scene = Scene(np.zeros((12, 4)), shelf, interactions=taken([0, 1, 4, 7], [0, 5, 8]))
    with pytest.raises(UserError, match=message):
        threat(**settings).draw(scene, 0)


def test_catalogs_and_extractors_without_categories_are_refused() -> None:
    made = shop().scene
    for shelf in (None, catalog(np.zeros(0)), catalog(np.full(5, -1))):
        with pytest.raises(UserError, match="the catalog has no category labels"):
            threat().draw(replace(made, catalog=shelf), 0)
    with pytest.raises(UserError, match=r"no interactions to tell popular categories by; name both"):
        threat().draw(replace(made, interactions=None), 0)
    assert made.interactions is not None
    nobody = replace(made, interactions=replace(made.interactions, train=csr_matrix((40, 90))))
    with pytest.raises(UserError, match="no category has training interactions"):
        threat(source="hat").draw(nobody, 0)

    def headless(embedding: torch.Tensor) -> Features:
        return Features(embedding, None, None)

    def other(embedding: torch.Tensor) -> Features:
        return Features(embedding, torch.zeros(len(embedding), 7), None)

    for classify, message in (
        (None, "no category head"),
        (headless, "no category head"),
        (other, "names 7 categories, the catalog 3"),
    ):
        with pytest.raises(UserError, match=message):
            threat().draw(replace(made, classify=classify), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "hat", "target": "hat"}, "source and target are both 'hat'"),
        ({"pairs": 0}, "pairs"),
        ({"min_items": 0}, "min_items"),
        ({"sauce": "hat"}, "did you mean 'source'"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(CategoryConfig, settings, "threat")


def test_draws_the_whole_category_in_an_order_of_which_fewer_are_the_beginning() -> None:
    scene = shop().scene
    every = threat().draw(scene, 3)
    assert sorted(every.attack) == list(range(2, 90, 3))
    assert every.target.tolist() == [0] * 30
    assert threat().names(scene, every) == ["boot"] * 30
    assert np.array_equal(threat(pairs=7).draw(scene, 3).attack, every.first(7).attack)
    assert threat(pairs=7).pairs == 7
    assert threat().pairs > 10**9
    assert not np.array_equal(threat().draw(scene, 4).attack, every.attack)
    assert np.array_equal(threat(pairs=7).exposed(scene), np.arange(2, 90, 3))


def test_losses_are_what_they_are_called() -> None:
    made = shop()
    targets = threat().draw(made.scene, 0)
    loss = threat().loss(made.scene, made.extractor, targets)
    images, rows = made.images[torch.from_numpy(targets.attack[[4, 1]])], torch.tensor([4, 1])
    embedding = made.extractor.embed(images)
    found = made.extractor.classify(embedding).category
    assert found is not None
    likely = found.double().softmax(1)
    torch.testing.assert_close(loss(images, rows).double(), -likely[:, 0].log())
    expected = torch.maximum(found[:, 1], found[:, 2]) - found[:, 0]
    torch.testing.assert_close(loss.others["margin"](embedding, rows), expected)
    centre = torch.as_tensor(made.scene.embeddings)[0::3].mean(0)
    expected = (embedding - centre).square().sum(1) / centre.square().sum()
    torch.testing.assert_close(loss.others["centre"](embedding, rows), expected)


@pytest.mark.parametrize("name", ["main", "margin", "centre"])
def test_gradients_of_the_losses_in_float64(name: str) -> None:
    made = shop()
    targets = threat(pairs=3).draw(made.scene, 0)
    loss = threat().loss(made.scene, made.extractor, targets)
    part = loss.main if name == "main" else loss.others[name]
    embedding = torch.as_tensor(made.scene.embeddings)[targets.attack].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: part(e, torch.arange(3)), embedding)


def test_a_loss_made_in_inference_mode_still_has_a_gradient() -> None:
    made = shop()
    targets = threat(pairs=2).draw(made.scene, 0)
    with torch.inference_mode():
        loss = threat().loss(made.scene, made.extractor, targets)
        images = made.images[torch.from_numpy(targets.attack)]
        with torch.inference_mode(False):
            points = images.clone().requires_grad_()
            value = loss(points, torch.arange(2)) + loss.others["centre"](
                made.extractor.embed(points), torch.arange(2)
            )
            (gradient,) = torch.autograd.grad(value.sum(), points)
    assert gradient.abs().sum() > 0


def test_solved_needs_more_than_a_bare_majority() -> None:
    made = shop()
    logits = torch.tensor([[5.0, 1.0, 0.0], [5.0, 4.9, 0.0], [4.0, 5.0, 0.0], [5.0, 5.0, 0.0]])
    scene = replace(made.scene, classify=lambda embedding: Features(embedding, logits, None))
    targets = Targets(np.arange(4), np.zeros(4, np.int64))
    solved = threat().loss(scene, made.extractor, targets).solved
    assert solved is not None
    assert solved(torch.zeros(4, 16), torch.arange(4)).tolist() == [True, False, False, False]


def test_judge_by_hand() -> None:
    made = shop()
    logits = {
        0: torch.tensor([[0.0, 2.0, 1.0], [3.0, 3.0, 1.0]]),
        1: torch.tensor([[4.0, 2.0, 1.0], [3.0, 3.0, 3.0]]),
    }
    calls = iter(logits.values())
    scene = replace(made.scene, classify=lambda embedding: Features(embedding, next(calls), None))
    targets = Targets(np.array([2, 5]), np.array([0, 0]))
    after = torch.as_tensor(made.scene.embeddings)[[2, 5]] + torch.tensor([[0.5], [2.0]])
    judged = threat().judge(scene, targets, after.numpy())
    assert judged["category_before"].tolist() == [1, 1]  # a tie with the target goes to the other one
    assert judged["category_after"].tolist()[0] == 0
    assert judged["category_after"].tolist()[1] in (1, 2)
    assert judged["feature_loss_after"] == pytest.approx([0.25, 4.0], rel=1e-5)
    assert judged["probability_before"][0] == pytest.approx(1 / (1 + np.e**2 + np.e), rel=1e-5)
    pairs = {**judged, "target_row": targets.target}
    assert threat().successes(pairs, "before")[0].met.tolist() == [False, False]
    assert threat().successes(pairs, "after")[0].met.tolist() == [True, False]
    rows = {row["metric"]: row for row in threat().rows(pairs)}
    assert rows["feature_loss"]["value"] == pytest.approx(2.125)
    assert rows["feature_loss"]["ci_low"] == 0
    assert 0 <= rows["probability_after"]["ci_low"] <= rows["probability_after"]["ci_high"] <= 1


def test_embeddings_that_are_not_numbers_are_refused() -> None:
    made = shop()
    targets = threat(pairs=2).draw(made.scene, 0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        threat().judge(made.scene, targets, np.full((2, 16), np.nan, np.float32))


@pytest.mark.parametrize("by", [None, "margin", "centre"])
def test_pgd_has_the_category_taken_for_the_other_and_more_so_with_a_larger_eps(by: str | None) -> None:
    made = shop()
    targets = threat().draw(made.scene, 0)
    rates, losses = [], []
    for eps in (0.0, 0.02, 0.1):
        judged = threat().judge(made.scene, targets, attacked(made, threat(), targets, eps, by).numpy())
        pairs = {**judged, "target_row": targets.target}
        rates.append(threat().successes(pairs, "after")[0].met.mean())
        losses.append(judged["feature_loss_after"].mean())
        assert np.array_equal(judged["category_before"], np.full(30, 2))  # the head knows its shop
    assert rates[0] == 0
    assert rates[1] <= rates[2]
    assert rates[2] > 0.9
    assert losses[0] < 1e-9 < losses[1] < losses[2]


def test_what_it_does_to_lists_is_the_category_hit_ratio() -> None:
    made = shop()
    scene, targets = made.scene, threat().draw(made.scene, 0)
    assert scene.recommender is not None
    assert scene.interactions is not None
    found = attacked(made, threat(), targets, 0.1).numpy()
    pushed = scene.recommender.with_items(targets.attack, found)
    items = threat().exposed(scene)
    before, after = (
        category_hits(each, scene.interactions, items, [20])["CHR", 20]
        for each in (scene.recommender, pushed)
    )
    assert after.value > 1.5 * before.value


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({}, 4),  # whichever is chosen, no category has more
        ({"source": NAMES[1]}, 3),
        ({"source": NAMES[1], "pairs": 2}, 2),
        ({"source": NAMES[1], "pairs": 50}, 3),
        ({"pairs": 50}, 4),
        ({"target": NAMES[2]}, 4),
        ({"source": "no such"}, 4),
    ],
)
def test_the_items_of_a_category_bound_its_pairs(settings: dict[str, Any], most: int) -> None:
    assert threat(**settings).most(catalog(LABELS)) == most


def test_the_target_bounds_no_pairs_and_without_labels_there_are_none() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2, -1, -1])
    assert threat().most(catalog(labels)) == 5
    assert threat(target=NAMES[0]).most(catalog(labels)) == 3
    assert threat().most(catalog(np.full(12, -1))) == 0
