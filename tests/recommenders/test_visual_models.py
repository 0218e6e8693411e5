"""VBPR, AMR and DeepStyle: their scores by the papers' formulas, and what they do with features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.amr import AMR, AMRConfig
from elliot_advrec.recommenders.bpr.noise import feature_noise
from elliot_advrec.recommenders.bpr.products import BLOCK, rowwise
from elliot_advrec.recommenders.context import FitContext

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]
USERS = np.arange(30)


def parts(recommender: Any) -> dict[str, np.ndarray]:
    return {
        name: tensor.numpy().astype(np.float64) for name, tensor in recommender._learned.state_dict().items()
    }


def test_vbpr_scores_by_its_formula(make: Make, random_data: Data) -> None:
    recommender = make("VBPR", factors=5, factors_d=3, epochs=3, batch_size=32, lr=0.05)
    recommender.fit(*random_data)
    p, f = parts(recommender), random_data[1].astype(np.float64)
    latent, visual = p["users"][:, :5], p["users"][:, 5:]
    expected = p["bias"] + latent @ p["items"].T
    expected += visual @ (f @ p["projection"][:3].T).T + f @ p["projection"][3]
    assert np.allclose(recommender.scores(USERS).numpy(), expected, atol=1e-5)


def test_deepstyle_takes_the_categorys_vector_off(make: Make, random_data: Data) -> None:
    recommender = make("DeepStyle", factors=5, epochs=3, batch_size=32, lr=0.05)
    recommender.fit(*random_data)
    p, f = parts(recommender), random_data[1].astype(np.float64)
    category = np.arange(60) % 5  # the fixture's, -1 (unlabelled) counted as 0
    style = f @ p["projection"].T - p["categories"][category] + p["items"]
    assert p["categories"].shape == (5, 5)
    assert np.allclose(recommender.scores(USERS).numpy(), p["users"] @ style.T, atol=1e-5)


def test_deepstyle_needs_categories(random_data: Data) -> None:
    recommender = RECOMMENDERS.get("DeepStyle")()
    for given in (None, np.full(60, -1), np.array([], dtype=np.int64)):
        recommender.context = FitContext(categories=given)
        with pytest.raises(
            UserError, match="DeepStyle needs the items' categories, and the catalog has none"
        ):
            recommender.fit(*random_data)
    recommender.context = FitContext(categories=np.zeros(59, dtype=np.int64))
    with pytest.raises(UserError, match="expected 60 categories, one an item, got 59"):
        recommender.fit(*random_data)


@pytest.mark.parametrize("name", ["VBPR", "DeepStyle", "VNPR", "ACF"])
def test_bad_features_are_refused_before_training(name: str, make: Make, random_data: Data) -> None:
    data, embeddings = random_data
    broken = embeddings.copy()
    broken[[7, 11], 2] = np.nan, np.inf
    for given, said in (
        (None, f"{name} needs item embeddings; give the recipe an extractor"),
        (embeddings[:59], r"expected embeddings of shape \(60, D\), got \(59, 8\)"),
        (broken, "2 embeddings hold NaN or infinity, the first of item row 7"),
    ):
        with pytest.raises(UserError, match=said):
            make(name).fit(data, given)


@pytest.mark.parametrize("name", ["VBPR", "AMR", "DeepStyle", "VNPR", "ACF"])
def test_with_items_equals_a_full_recompute(name: str, make: Make, random_data: Data) -> None:
    """The same weights over a whole catalog of new features, at once and a few items at a time."""
    data, embeddings = random_data
    recommender = make(name, epochs=3, batch_size=32, lr=0.02)
    recommender.fit(data, embeddings)
    new = np.random.default_rng(2).normal(size=(60, 8)).astype(np.float32)
    everything = recommender.with_items(np.arange(60), new)
    step = recommender
    for rows in np.array_split(np.random.default_rng(3).permutation(60), 7):
        step = step.with_items(rows, new[rows])
    if name == "ACF":  # a user's attention is summed in another order
        assert torch.allclose(step.scores(USERS), everything.scores(USERS), atol=1e-6)
    else:
        assert torch.equal(step.scores(USERS), everything.scores(USERS))
    assert not torch.allclose(everything.scores(USERS), recommender.scores(USERS), atol=1e-3)
    back = everything.with_items(np.arange(60), embeddings)
    assert torch.allclose(back.scores(USERS), recommender.scores(USERS), atol=1e-6)
    rows = np.array([5, 8, 5])
    twice, once = recommender.with_items(rows, new[:3]), recommender.with_items(rows[1:], new[1:3])
    assert torch.equal(twice.scores(USERS), once.scores(USERS))
    assert torch.equal(recommender.with_items(rows[:0], new[:0]).scores(USERS), recommender.scores(USERS))


def test_only_the_changed_items_are_projected(make: Make, random_data: Data) -> None:
    recommender: Any = make("VBPR")
    recommender.fit(*random_data)
    seen: list[int] = []
    original = recommender._learned.item_side

    def counting(rows: torch.Tensor, features: torch.Tensor) -> Any:
        seen.append(len(rows))
        return original(rows, features)

    recommender._learned.item_side = counting
    recommender.with_items(np.array([3, 4]), np.ones((2, 8), dtype=np.float32))
    assert seen == [2]


def test_features_may_lie_in_a_file(make: Make, random_data: Data, tmp_path: Path) -> None:
    data, embeddings = random_data
    path = tmp_path / "features.npy"
    np.save(path, embeddings)
    mapped = np.load(path, mmap_mode="r")
    for name in ("VBPR", "AMR", "DeepStyle", "ACF", "VNPR"):
        held, from_file = make(name), make(name)
        held.fit(data, embeddings)
        from_file.fit(data, mapped)
        assert torch.equal(held.scores(USERS), from_file.scores(USERS))


def test_features_are_let_go_of_after_the_fit(make: Make, random_data: Data) -> None:
    for name in ("VBPR", "AMR", "DeepStyle", "ACF", "VNPR"):
        recommender: Any = make(name)
        recommender.fit(*random_data)
        assert recommender._learned.features is None


@pytest.mark.parametrize("adversary", [{"l_adv": 0.0, "eps": 3.0}, {"l_adv": 5.0, "adversarial_epochs": 0}])
def test_amr_without_its_adversary_is_vbpr_bit_for_bit(
    adversary: dict[str, Any], make: Make, random_data: Data
) -> None:
    same = {"epochs": 4, "batch_size": 32, "factors": 7, "factors_d": 3, "lr": 0.01}
    penalties = {"l_w": 0.1, "l_b": 0.001, "l_e": 0.1}
    amr, vbpr = make("AMR", **same, **penalties, **adversary), make("VBPR", **same, **penalties)
    amr.fit(*random_data, seed=9)
    vbpr.fit(*random_data, seed=9)
    assert torch.equal(amr.scores(USERS), vbpr.scores(USERS))
    assert all(np.array_equal(array, parts(vbpr)[name]) for name, array in parts(amr).items())
    moved = make("AMR", **same, **penalties, l_adv=1.0, eps=1.0)
    moved.fit(*random_data, seed=9)
    assert not torch.equal(moved.scores(USERS), vbpr.scores(USERS))


def test_the_adversary_comes_in_the_last_epochs() -> None:
    assert AMRConfig(epochs=9).first_adversarial == 5  # Elliot: the later half, epochs // 2
    assert AMRConfig(epochs=9, adversarial_epochs=2).first_adversarial == 7
    assert AMRConfig(epochs=9, adversarial_epochs=0).first_adversarial == 9
    with pytest.raises(UserError, match=r"'adversarial_epochs' \(5\) is larger than 'epochs' \(4\)"):
        validate(AMRConfig, {"epochs": 4, "adversarial_epochs": 5}, "AMR")


def test_noise_keeps_to_its_length_and_hurts_more_than_a_random_change(make: Make, random_data: Data) -> None:
    data, embeddings = random_data
    recommender = make("AMR", epochs=20, batch_size=32, lr=0.02, nb_iter=4, l_w=1e-4, l_e=0)
    assert isinstance(recommender, AMR)
    recommender.fit(data, embeddings)
    trained = np.unique(data.train.indices)

    def margin(features: np.ndarray) -> float:
        """Mean score of what users took over what they did not."""
        scores = recommender.with_items(np.arange(60), features).scores(USERS).numpy()
        taken = data.train.toarray() > 0
        return float(scores[taken].mean() - scores[~taken].mean())

    one = feature_noise(recommender, data, embeddings, 0.5)
    many = recommender.noise(data, embeddings, 0.5)
    drawn = np.random.default_rng(0).normal(size=(60, 8))
    drawn *= 0.5 / np.linalg.norm(drawn, axis=1, keepdims=True)
    for noisy in (one, many):
        length = np.linalg.norm(noisy - embeddings, axis=1)
        assert length.max() <= 0.5 + 1e-5
        assert length[trained].min() > 0.05
        assert length[np.setdiff1d(np.arange(60), trained)].max() == 0
        assert margin(noisy) < margin((embeddings + drawn).astype(np.float32)) < margin(embeddings) + 0.1
    assert np.linalg.norm(one - embeddings, axis=1)[trained] == pytest.approx(0.5, abs=1e-5)
    assert np.array_equal(recommender.noise(data, embeddings), recommender.noise(data, embeddings, 0.1))


def test_products_do_not_depend_on_how_many_rows_there_are() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(100, 37, generator=generator), torch.randn(37, 211, generator=generator)
    whole = rowwise(left, right)
    assert torch.allclose(whole, left @ right, atol=1e-5)
    for rows in ([5], [99, 0, 50], list(range(BLOCK)), list(range(BLOCK + 1))):
        assert torch.equal(rowwise(left[rows], right), whole[rows])
    assert rowwise(left[:0], right).shape == (0, 211)


def test_elliots_keys_and_defaults() -> None:
    """Names and values of Elliot 0.3.1's own parameter lists."""
    elliots: dict[str, dict[str, Any]] = {
        "BPRMF": {
            "factors": 10, "lr": 0.05, "bias_regularization": 0, "user_regularization": 0.0025,
            "positive_item_regularization": 0.0025, "negative_item_regularization": 0.00025,
            "update_negative_item_factors": True, "update_users": True, "update_items": True,
            "update_bias": True, "epochs": 2,
        },
        "VBPR": {
            "batch_eval": 512, "factors": 100, "factors_d": 20, "lr": 0.0005, "l_w": 0.000025, "l_b": 0,
            "l_e": 0.002, "loader": "VisualAttributes", "epochs": 2, "batch_size": -1,
        },
        "AMR": {
            "batch_eval": 512, "factors": 200, "factors_d": 20, "lr": 0.001, "l_w": 0.1, "l_b": 0.001,
            "l_e": 0.1, "eps": 0.1, "l_adv": 0.001, "eps_iter": None, "nb_iter": 1,
            "loader": "VisualAttributes", "epochs": 2, "batch_size": -1,
        },
        "DeepStyle": {
            "batch_eval": 512, "factors": 100, "lr": 0.0005, "l_w": 0.000025, "loader": "VisualAttributes",
            "epochs": 2, "batch_size": -1,
        },
        "ACF": {
            "factors": 100, "lr": 0.0005, "l_w": 0.000025, "layers_component": (64, 1),
            "layers_item": (64, 1), "loader": "VisualAttributes", "epochs": 2, "batch_size": -1,
        },
        "VNPR": {
            "batch_eval": 512, "lr": 0.001, "l_w": 0.001, "l_v": 0.001, "mf_factors": 10,
            "mlp_hidden_size": (32, 1), "dropout": 0.2, "loader": "VisualAttributes", "epochs": 2,
            "batch_size": -1,
        },
        "DVBPR": {
            "batch_eval": 512, "factors": 100, "lr": 0.0001, "lambda_1": 0.0001, "lambda_2": 1.0,
            "loader": "VisualAttributes", "epochs": 2, "batch_size": -1,
        },
    }  # fmt: skip
    for name, defaults in elliots.items():
        config = RECOMMENDERS.get(name).config_class().model_dump()
        assert {key: config[key] for key in defaults} == defaults, name


def test_layers_may_be_written_as_elliot_writes_them() -> None:
    kind = RECOMMENDERS.get("ACF").config_class
    assert validate(kind, {"layers_item": "(64, 16,1)"}, "").layers_item == (64, 16, 1)  # type: ignore[attr-defined]
    assert validate(kind, {"layers_item": [8, 1]}, "").layers_item == (8, 1)  # type: ignore[attr-defined]
    for wrong, said in (
        ("(64,2)", "must have 1 unit, got 2"),
        ("sixty", "must be a list"),
        ("()", "at least 1"),
    ):
        with pytest.raises(UserError, match=said):
            validate(kind, {"layers_item": wrong}, "ACF")


def test_bprmf_that_learns_nothing_is_refused() -> None:
    kind = RECOMMENDERS.get("BPRMF").config_class
    with pytest.raises(UserError, match="nothing is learned"):
        validate(kind, {"update_users": False, "update_items": False, "update_bias": False}, "BPRMF")


def test_frozen_parts_of_bprmf_stay(make: Make, random_data: Data) -> None:
    first: Any = make("BPRMF", epochs=1)
    first.fit(*random_data, seed=1)
    held: Any = make("BPRMF", epochs=5, update_users=False)
    held.fit(*random_data, seed=1)
    later: Any = make("BPRMF", epochs=9, update_users=False)
    later.fit(*random_data, seed=1)
    assert np.array_equal(parts(held)["users"], parts(later)["users"])
    assert not np.array_equal(parts(held)["users"], parts(first)["users"])
    assert not np.array_equal(parts(held)["items"], parts(later)["items"])


def test_matrices_that_differ_only_in_ratings_train_alike(make: Make, random_data: Data) -> None:
    data, embeddings = random_data
    ones = data.train.copy()
    ones.data[:] = 1
    rated, unrated = make("VBPR"), make("VBPR")
    rated.fit(data, embeddings)
    unrated.fit(replace(data, train=ones), embeddings)
    assert torch.equal(rated.scores(USERS), unrated.scores(USERS))
