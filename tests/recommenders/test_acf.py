"""Attentive collaborative filtering against naive loops, and whom an attacked picture reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.acf import ACF
from elliot_advrec.recommenders.bpr.attention import segment_softmax

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]
SETTINGS = {"epochs": 8, "batch_size": 32, "lr": 0.05, "factors": 6, "layers_item": [5, 3, 1]}


def softmax(values: np.ndarray) -> np.ndarray:
    grown = np.exp(values - values.max())
    return grown / grown.sum()


def naive_scores(recommender: Any, features: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Chen et al. 2017, eq. 4 to 9, item by item and component by component; (N, M, D) features."""
    p = {
        name: tensor.numpy().astype(np.float64) for name, tensor in recommender._learned.state_dict().items()
    }

    def layers(part: str, first: np.ndarray) -> float:
        found = np.maximum(first + p[f"{part}_bias0"], 0)
        for number in range(1, len(getattr(recommender.config, f"layers_{part}"))):
            found = found @ p[f"{part}_weight{number}"] + p[f"{part}_bias{number}"]
        return float(found[0])

    scores = np.zeros(train.shape)
    for u in range(len(train)):
        weights, items = [], np.flatnonzero(train[u])
        for item in items:
            shares = [
                layers("component", p["users"][u] @ p["component_user"] + part @ p["component_look"])
                for part in features[item]
            ]
            picture = softmax(np.array(shares)) @ features[item]
            seen = p["users"][u] @ p["item_user"] + p["items"][item] @ p["item_latent"]
            seen = seen + p["profiles"][item] @ p["item_profile"] + picture @ p["item_look"]
            weights.append(layers("item", seen))
        taste = p["users"][u] + softmax(np.array(weights)) @ p["profiles"][items]
        scores[u] = p["items"] @ taste
    return scores


@pytest.mark.parametrize("components", [1, 4])
def test_scores_are_those_of_naive_loops(components: int, make: Make, random_data: Data) -> None:
    data, _ = random_data
    features = np.random.default_rng(1).normal(size=(60, components, 5)).astype(np.float32)
    recommender = make("ACF", **SETTINGS)
    recommender.fit(data, features if components > 1 else features[:, 0])
    expected = naive_scores(recommender, features.astype(np.float64), data.train.toarray())
    assert np.allclose(recommender.scores(np.arange(30)).numpy(), expected, atol=1e-5)


def test_pictures_of_several_components_change_as_whole(
    make: Make, random_data: Data, tmp_path: Path
) -> None:
    data, _ = random_data
    features = np.random.default_rng(1).normal(size=(60, 4, 5)).astype(np.float32)
    recommender = make("ACF", **SETTINGS)
    recommender.fit(data, features)
    new = features.copy()
    rows = np.array([int(data.train.indices[0]), 7, 30])
    new[rows] += 1
    changed = recommender.with_items(rows, new[rows])
    expected = naive_scores(recommender, new.astype(np.float64), data.train.toarray())
    assert np.allclose(changed.scores(np.arange(30)).numpy(), expected, atol=1e-5)
    recommender.save(tmp_path)
    again = ACF.load(tmp_path).with_items(rows, new[rows])
    assert torch.equal(again.scores(np.arange(30)), changed.scores(np.arange(30)))
    tensor = torch.from_numpy(new[rows]).double().requires_grad_(True)
    owners = np.flatnonzero(data.train[:, rows[0]].toarray()[:, 0])
    assert torch.autograd.gradcheck(lambda e: recommender.item_scores(owners, rows, e), tensor, atol=1e-7)
    broken = new[rows].copy()
    broken[1, 2, 3] = np.nan
    with pytest.raises(UserError, match="the first of item row 1"):
        recommender.with_items(rows, broken)


def test_a_picture_reaches_those_who_took_the_item_and_nobody_else(make: Make, random_data: Data) -> None:
    data, embeddings = random_data
    recommender = make("ACF", **{**SETTINGS, "layers_item": [64, 1]})  # five units may all be off for someone
    recommender.fit(data, embeddings)
    row = int(data.train.indices[0])
    changed = recommender.with_items(np.array([row]), embeddings[[row]] + 3)
    moved = (changed.scores(np.arange(30)) != recommender.scores(np.arange(30))).any(1).numpy()
    took = data.train[:, [row]].toarray()[:, 0] > 0
    assert np.array_equal(moved, took)
    assert took.any()


def test_segments_are_normalised_apart_and_large_values_do_no_harm() -> None:
    values = torch.tensor([1e4, 1e4 + 1, -5.0, 0.0, 3.0], dtype=torch.float64)
    owner = torch.tensor([0, 0, 1, 2, 2])
    expected = np.concatenate([softmax(values.numpy()[owner.numpy() == k]) for k in range(3)])
    assert np.allclose(segment_softmax(values, owner, 3).numpy(), expected)
