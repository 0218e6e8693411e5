"""Neural personalised ranking against naive loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders import Recommender

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]


def test_scores_are_those_of_naive_loops(make: Make, random_data: Data) -> None:
    settings = {"epochs": 6, "batch_size": 32, "lr": 0.05, "mf_factors": 4}
    recommender: Any = make("VNPR", mlp_hidden_size="(7,3,1)", **settings)
    recommender.fit(*random_data)
    p = {
        name: tensor.numpy().astype(np.float64) for name, tensor in recommender._learned.state_dict().items()
    }
    scores = recommender.scores(np.arange(30)).numpy()
    for user in range(0, 30, 4):
        for item in range(60):
            found = np.concatenate(
                [p["users"][user] * p["items"][item], p["visual_users"][user] * random_data[1][item]]
            )
            for number in range(3):
                found = p[f"weight{number}"] @ found + p[f"bias{number}"]
                found = np.maximum(found, 0) if number < 2 else found
            assert np.isclose(scores[user, item], found[0], atol=1e-5)


def test_dropout_is_for_training_alone_and_its_seed_decides_it(make: Make, random_data: Data) -> None:
    def fitted(dropout: float) -> Any:
        recommender = make("VNPR", epochs=3, batch_size=32, dropout=dropout)
        recommender.fit(*random_data, seed=1)
        return recommender

    one, same, none = fitted(0.5), fitted(0.5), fitted(0.0)
    users = np.arange(30)
    assert torch.equal(one.scores(users), same.scores(users))
    assert torch.equal(one.scores(users), one.scores(users))
    assert not torch.equal(one.scores(users), none.scores(users))
