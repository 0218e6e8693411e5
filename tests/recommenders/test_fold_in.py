"""New users of a fitted recommender."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.bpr.fold_in import Choices, Pace, learn_users
from elliot_advrec.recommenders.vbpr import VBPRConfig

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]
LONG = {"epochs": 40, "batch_size": 8, "lr": 0.02}
SETTINGS = {
    "VBPR": {**LONG, "factors": 4, "factors_d": 4},
    "AMR": {**LONG, "factors": 4, "factors_d": 4, "l_w": 0.001, "l_e": 0.001},
    "DeepStyle": {**LONG, "factors": 6},
    "BPRMF": {**LONG, "lr": 0.1, "factors": 6},
}
CANNOT = sorted(set(RECOMMENDERS.names()) - {*SETTINGS, "ContentKNN", "DVBPR"})


def fitted(name: str, make: Make, data: Data) -> Recommender:
    recommender = make(name, **SETTINGS.get(name, {}))
    recommender.fit(*data, seed=5)
    return recommender


@pytest.mark.parametrize("name", [*SETTINGS, "ContentKNN"])
def test_users_taken_in_again_are_recommended_what_they_were(
    name: str, make: Make, checkerboard: Data
) -> None:
    interactions, embeddings = checkerboard
    recommender = make(name, **SETTINGS.get(name, {}))
    recommender.context = type(recommender.context)(categories=np.arange(10) % 3)
    recommender.fit(interactions, embeddings, seed=5)
    again = recommender.fold_in(interactions.train, interactions, seed=1)
    users = np.arange(8)
    found, before = again.scores(users), recommender.scores(users)
    if name == "ContentKNN":
        assert torch.equal(found, before)
    alike = [np.corrcoef(f, b)[0, 1] for f, b in zip(found.numpy(), before.numpy(), strict=True)]
    assert min(alike) > 0.8
    hit = evaluate(again, interactions, [1], metrics=["HR"]).value("HR", 1)
    assert hit >= evaluate(recommender, interactions, [1], metrics=["HR"]).value("HR", 1) - 0.13


@pytest.mark.parametrize("name", ["VBPR", "ContentKNN", "DVBPR"])
def test_each_new_user_depends_on_its_own_history_and_the_seed_alone(
    name: str, make: Make, random_data: Data
) -> None:
    recommender = fitted(name, make, random_data)
    interactions = random_data[0]
    before = recommender.scores(np.arange(30)).clone()
    some = vstack([interactions.train[3], interactions.train[0]]).tocsr()
    all_, two = (recommender.fold_in(p, interactions, seed=1) for p in (interactions.train, some))
    assert torch.allclose(two.scores(np.arange(2)), all_.scores(np.array([3, 0])), atol=1e-5)
    other = recommender.fold_in(some, interactions, seed=2)
    assert torch.equal(other.scores(np.arange(2)), two.scores(np.arange(2))) == (name == "ContentKNN")
    repeated = recommender.fold_in(some, interactions, seed=1)
    assert torch.equal(repeated.scores(np.arange(2)), two.scores(np.arange(2)))
    assert torch.equal(recommender.scores(np.arange(30)), before)
    # The items are the same ones: an item that changes changes in the same way.
    new = np.ones((1, 8), np.float32)
    changed = two.with_items(np.array([7]), new).scores(np.arange(2))[:, 7]
    if two.differentiable:
        assert torch.allclose(
            two.item_scores(np.arange(2), np.array([7]), torch.from_numpy(new))[:, 0], changed, atol=1e-6
        )


def test_content_neighbours_of_a_new_user_are_those_of_a_refit(make: Make, random_data: Data) -> None:
    interactions, embeddings = random_data
    profiles = csr_matrix(np.roll(interactions.train.toarray(), 17, axis=1)[:9])
    refit = make("ContentKNN", neighbors=7)
    refit.fit(Interactions([""] * 9, profiles, None, profiles, True, []), embeddings)
    recommender = make("ContentKNN", neighbors=7)
    recommender.fit(interactions, embeddings)
    assert torch.equal(
        recommender.fold_in(profiles, interactions).scores(np.arange(9)), refit.scores(np.arange(9))
    )


@pytest.mark.parametrize("name", CANNOT)
def test_recommenders_that_cannot_say_so(name: str, make: Make, random_data: Data) -> None:
    with pytest.raises(UserError, match=f"{name} cannot take in new users .*take VBPR"):
        make(name).fold_in(random_data[0].train, random_data[0])


def test_histories_that_teach_nothing_are_refused(make: Make, random_data: Data) -> None:
    interactions = random_data[0]
    recommender = make("VBPR", epochs=1)
    recommender.fit(*random_data)
    empty, whole = np.zeros((2, 60)), np.ones((2, 60))
    empty[0, 3] = whole[0, 3] = 1
    whole[0, 4:] = 0
    with pytest.raises(UserError, match="new user 1 has no history"):
        recommender.fold_in(csr_matrix(empty), interactions)
    with pytest.raises(UserError, match="new user 1 has every item"):
        recommender.fold_in(csr_matrix(whole), interactions)
    assert recommender.fold_in(csr_matrix((0, 60)), interactions).scores(np.arange(0)).shape == (0, 60)


def test_choices_are_own_items_over_known_ones_that_are_lacked_evenly() -> None:
    known = np.array([0, 2, 3, 4, 6, 7, 9])
    profiles = np.zeros((3, 10))
    profiles[0, [2, 7]] = profiles[1, [5]] = profiles[2, [0, 2, 3, 4, 5, 6, 7]] = 1
    choices = Choices(csr_matrix(profiles), known, 3)
    positive, negative = (drawn.numpy() for drawn in choices.draw(0, 5000))
    for user, row in enumerate(profiles):
        own, lacked = np.flatnonzero(row), np.setdiff1d(known, np.flatnonzero(row))
        for drawn, pool in ((positive[user], own), (negative[user], lacked)):
            values, counts = np.unique(drawn, return_counts=True)
            assert values.tolist() == pool.tolist()
            # Within 5 standard deviations of an even draw.
            assert (np.abs(counts - 5000 / len(pool)) <= 5 * np.sqrt(5000 / len(pool))).all()
    later = choices.draw(1, 5000)[1].numpy()
    assert (later[0] == negative[0]).mean() < 0.4
    assert abs(np.corrcoef(positive[0] == 2, negative[0])[0, 1]) < 0.1


def test_the_pace_is_that_of_an_average_user() -> None:
    train = np.zeros((12, 40))
    train[:10, :20] = 1  # 200 entries, 10 users with some
    data = Interactions([""] * 12, csr_matrix(train), None, csr_matrix(train), True, [])
    assert Pace.of(data, 10) == (20, 1, 1.0)
    assert Pace.of(data, 2) == (20, 1, 5.0)
    assert Pace.of(data, 50) == (4, 5, 1.0)
    assert Pace.of(data, -1) == (1, 20, 1.0)


def test_descent_follows_the_written_down_gradient(random_data: Data) -> None:
    interactions = random_data[0]
    random = torch.Generator().manual_seed(0)
    items, bias = torch.randn(60, 3, generator=random), torch.randn(60, generator=random)
    profile = interactions.train[:1]
    # One step of one epoch, all six triples at once, from 0: only the penalty is missing from the first step.
    config = VBPRConfig(epochs=2, batch_size=-1, lr=0.1)
    found = learn_users(profile, interactions, items, bias, config, "descent", 0.5, 4)
    choices, user = Choices(profile, np.flatnonzero(interactions.trained()), 4), torch.zeros(3)
    for epoch in range(2):
        user = user.clone().requires_grad_(True)
        loss = torch.zeros(())
        for taken, other in zip(*(drawn[0].tolist() for drawn in choices.draw(epoch, 6)), strict=True):
            way = user @ (items[taken] - items[other]) + bias[taken] - bias[other]
            loss = loss + torch.nn.functional.softplus(-way) + 0.5 * 0.5 * user.square().sum()
        (slope,) = torch.autograd.grad(loss, user)
        user = (user - 0.1 * slope).detach()
    assert torch.allclose(found[0], user, atol=1e-6)
