"""Whose seed decides chance."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.random import Random, RandomConfig

TRAIN = csr_matrix(np.eye(4, 9, dtype=np.float32))
DATA = Interactions(["a", "b", "c", "d"], TRAIN, None, TRAIN, False, [])


def scores(config: RandomConfig, seed: int) -> torch.Tensor:
    recommender = Random(config)
    recommender.fit(DATA, seed=seed)
    return recommender.scores(np.arange(4))


def test_elliots_random_seed_goes_before_the_runs() -> None:
    assert torch.equal(scores(RandomConfig(random_seed=42), 1), scores(RandomConfig(random_seed=42), 2))
    assert torch.equal(scores(RandomConfig(random_seed=42), 1), scores(RandomConfig(), 42))
    assert not torch.equal(scores(RandomConfig(), 1), scores(RandomConfig(), 2))
    assert not torch.equal(scores(RandomConfig(random_seed=0), 1), scores(RandomConfig(), 1))
