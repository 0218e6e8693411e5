"""Who learns what users like: on drawn data whose taste is for looks, and on the same with looks shuffled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.bpr.noise import feature_noise

SEEDS = (1, 2, 3)
STEPS: dict[str, dict[str, Any]] = {
    "BPRMF": {"epochs": 30, "factors": 16},
    "VBPR": {"epochs": 30, "factors": 16, "factors_d": 8, "batch_size": 128, "lr": 0.005},
}


class World:
    """300 users, 400 items of which 80 have no training row, 16 interactions a user.

    A user's taste is a direction among six looks, which 64 rectified and noisy features show; items have a
    long tail of popularity besides.
    """

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        looks = generator.normal(size=(400, 6))
        shown = looks @ generator.normal(size=(6, 64)) + 0.5 * generator.normal(size=(400, 64))
        self.features = np.maximum(shown, 0).astype(np.float32)
        liking = generator.normal(size=(300, 6)) @ looks.T
        popularity = -0.5 * np.log(generator.permutation(400) + 1)
        chance = 2 * liking / liking.std() + popularity + generator.gumbel(size=liking.shape)
        taken = np.argsort(-chance, axis=1)[:, :16]
        self.cold = np.zeros(400, dtype=bool)
        self.cold[generator.choice(400, 80, replace=False)] = True
        train, test = np.zeros((300, 400), np.float32), np.zeros((300, 400), np.float32)
        for user, items in enumerate(taken):
            warm = generator.permutation(items[~self.cold[items]])
            train[user, warm[:-3]] = 1
            test[user, warm[-3:]] = 1
            test[user, items[self.cold[items]]] = 1
        self.train, self.test, self.seed = csr_matrix(train), test, seed

    def split(self, test: np.ndarray) -> Interactions:
        ids = [str(user) for user in range(300)]
        return Interactions(ids, self.train, None, csr_matrix(test), True, [])

    def fit(self, name: str, features: np.ndarray | None = None, **settings: Any) -> Recommender:
        kind = RECOMMENDERS.get(name)
        recommender = kind(kind.config_class(**{**STEPS.get(name, {}), **settings}))
        shown = self.features if features is None else features
        recommender.fit(self.split(self.test), shown, seed=self.seed)
        return recommender

    def ndcg(self, recommender: Recommender, items: np.ndarray | None = None) -> float:
        """nDCG@10 over held-out items, or those of some items alone."""
        wanted = self.test if items is None else self.test * items
        return evaluate(recommender, self.split(wanted), [10], metrics=["nDCG"]).value("nDCG", 10)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [World(seed) for seed in SEEDS]


def test_looks_are_learned_and_help_most_where_nothing_else_is_known(worlds: list[World]) -> None:
    for world in worlds:
        fitted = {name: world.fit(name) for name in ("VBPR", "BPRMF", "MostPop", "Random")}
        score = {name: world.ndcg(recommender) for name, recommender in fitted.items()}
        assert score["VBPR"] > 2 * score["BPRMF"]
        assert score["BPRMF"] > 1.15 * score["MostPop"]
        assert score["MostPop"] > 1.5 * score["Random"]
        gain = {
            part: world.ndcg(fitted["VBPR"], items) - world.ndcg(fitted["BPRMF"], items)
            for part, items in (("cold", world.cold), ("warm", ~world.cold))
        }
        assert gain["cold"] > 2 * gain["warm"] > 0.04


def test_shuffled_looks_give_no_advantage(worlds: list[World]) -> None:
    for world in worlds:
        shuffled = world.features[np.random.default_rng(0).permutation(400)]
        blind = world.fit("VBPR", shuffled)
        assert world.ndcg(blind) < 1.1 * world.ndcg(world.fit("BPRMF"))
        chance = world.ndcg(world.fit("Random"), world.cold)
        assert world.ndcg(blind, world.cold) < chance + 0.01


def test_amr_loses_less_than_vbpr_under_noise_on_the_features(worlds: list[World]) -> None:
    lost: dict[str, list[float]] = {"VBPR": [], "AMR": []}
    for world in worlds:
        unit = world.features / np.linalg.norm(world.features, axis=1, keepdims=True)
        same = {**STEPS["VBPR"], "l_w": 0.000025, "l_b": 0.0, "l_e": 0.0}
        for name, adversary in (("VBPR", {}), ("AMR", {"l_adv": 1.0, "eps": 0.1})):
            recommender: Any = world.fit(name, unit, **same, **adversary)
            clean = world.ndcg(recommender)
            noisy = feature_noise(recommender, world.split(world.test), unit, 0.2)
            lost[name].append(1 - world.ndcg(recommender.with_items(np.arange(400), noisy)) / clean)
    assert all(mine < theirs for mine, theirs in zip(lost["AMR"], lost["VBPR"], strict=True))
    assert np.mean(lost["VBPR"]) > 0.15
    assert np.mean(lost["AMR"]) < 0.85 * np.mean(lost["VBPR"])
