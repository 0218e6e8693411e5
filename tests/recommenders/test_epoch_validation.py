"""Epochs are validated by the very rules that the reported lists are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.judging import measure
from elliot_advrec.recipe.elliot import Evaluation
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.context import FitContext, Selection

Make = Callable[..., Recommender]
EVALUATION = Evaluation(cutoffs=(5,), simple_metrics=("nDCG", "HR"))
SETTINGS: dict[str, Any] = {"epochs": 6, "batch_size": 16, "lr": 0.05, "factors": 4, "factors_d": 4}


@pytest.fixture
def data() -> tuple[Interactions, np.ndarray]:
    """30 users, 60 items of which 20 are cold; three items held out for each user, ten candidates."""
    random = np.random.default_rng(11)
    parts = {name: np.zeros((30, 60), np.float32) for name in ("train", "held", "ranked")}
    for user in range(30):
        taken = random.choice(40, 9, replace=False)
        parts["train"][user, taken[:6]] = 1
        parts["held"][user, taken[6:]] = 1
        parts["ranked"][user, [*taken[6:], *random.choice(np.arange(40, 60), 7, replace=False)]] = 1
    embeddings = random.normal(size=(60, 8)).astype(np.float32)
    train, held, ranked = (csr_matrix(parts[name]) for name in ("train", "held", "ranked"))
    users = [f"u{number}" for number in range(30)]
    found = Interactions(users, train, held, held, False, [], validation_candidates=ranked)
    return found, embeddings


def observed(
    make: Make, data: tuple[Interactions, np.ndarray], known_only: bool
) -> tuple[Recommender, list[float]]:
    recommender = make("VBPR", **SETTINGS)
    selection = Selection(metrics=("nDCG", "HR"), cutoffs=(5,))
    recommender.context = FitContext(selection=selection, known_only=known_only)
    recommender.fit(*data, seed=3)
    return recommender, recommender.history.observed("nDCG@5")  # type: ignore[attr-defined]


@pytest.mark.parametrize("known_only", [True, False])
@pytest.mark.parametrize("sampled", [True, False])
def test_the_best_epochs_value_is_what_the_final_evaluation_gives(
    make: Make, data: tuple[Interactions, np.ndarray], known_only: bool, sampled: bool
) -> None:
    interactions = data[0] if sampled else replace(data[0], validation_candidates=None)
    recommender, values = observed(make, (interactions, data[1]), known_only)
    found = measure(recommender, interactions, EVALUATION, known_only=known_only, split="validation")
    assert max(values) == pytest.approx(found.value("nDCG", 5), abs=1e-12)


def test_the_rules_make_a_difference(make: Make, data: tuple[Interactions, np.ndarray]) -> None:
    whole = replace(data[0], validation_candidates=None)
    seen = [tuple(observed(make, (each, data[1]), known)[1]) for each in (data[0], whole) for known in (0, 1)]
    assert len(set(seen)) == 4


def test_other_candidates_are_another_training(
    make: Make, data: tuple[Interactions, np.ndarray], tmp_path: Any
) -> None:
    from elliot_advrec.errors import UserError

    recommender = make("VBPR", **SETTINGS)
    recommender.context = FitContext(folder=tmp_path)
    recommender.fit(*data, seed=3)
    with pytest.raises(UserError, match="differs in validation_candidates"):
        recommender.fit(replace(data[0], validation_candidates=None), data[1], seed=3)
    recommender.context = FitContext(folder=tmp_path, known_only=True)
    with pytest.raises(UserError, match="differs in known_only"):
        recommender.fit(*data, seed=3)
