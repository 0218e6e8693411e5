"""Popularity and chance."""

from __future__ import annotations

import numpy as np
import torch

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.metrics.topk import top_k_scored
from elliot_advrec.recommenders.most_pop import MostPop
from elliot_advrec.recommenders.random import Random

Data = tuple[Interactions, np.ndarray]


def test_popularity_counts_training_entries_whatever_their_rating(random_data: Data) -> None:
    data = random_data[0]
    recommender = MostPop()
    recommender.fit(data, None)
    naive = [(data.train.toarray()[:, item] > 0).sum() for item in range(60)]
    assert recommender.scores(np.array([4]))[0].tolist() == naive


def test_chance_differs_by_user_and_seed(random_data: Data) -> None:
    one, other = Random(), Random()
    one.fit(random_data[0], None, seed=1)
    other.fit(random_data[0], None, seed=2)
    scores = one.scores(np.arange(30))
    assert not torch.equal(scores[0], scores[1])
    assert not torch.equal(scores, other.scores(np.arange(30)))


def test_chance_favours_no_item(random_data: Data) -> None:
    recommender = Random()
    recommender.fit(random_data[0], None, seed=1)
    users = np.arange(3000)
    first = np.bincount(top_k_scored(recommender.scores(users), 1)[0][:, 0], minlength=60)
    # 50 expected an item, standard deviation 7.
    assert first.min() > 15
    assert first.max() < 90
