"""What every registered recommender promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders import RECOMMENDERS, Recommender

Data = tuple[Interactions, np.ndarray]
Make = Callable[..., Recommender]


@pytest.fixture(params=RECOMMENDERS.names())
def kind(request: pytest.FixtureRequest) -> type[Recommender]:
    return RECOMMENDERS.get(request.param)


@pytest.fixture
def fitted(kind: type[Recommender], make: Make, random_data: Data) -> Recommender:
    recommender = make(kind.__name__)
    recommender.fit(*random_data, seed=5)
    return recommender


def test_it_describes_itself_and_refuses_unknown_settings(kind: type[Recommender]) -> None:
    assert len(kind.summary()) > 20
    with pytest.raises(UserError, match="unknown key 'neighbours_'"):
        validate(kind.config_class, {"neighbours_": 3}, kind.__name__)
    config = kind().config
    assert validate(kind.config_class, config.model_dump(mode="json"), "") == config
    undocumented = [name for name, info in kind.config_class.model_fields.items() if not info.description]
    assert undocumented == []


def test_scores_are_finite_floats_of_every_item(fitted: Recommender) -> None:
    scores = fitted.scores(np.array([3, 0, 3]))
    assert scores.shape == (3, 60)
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    assert torch.equal(scores[0], scores[2])
    assert fitted.scores(np.array([], dtype=np.int64)).shape == (0, 60)


def test_a_batch_equals_its_users_one_by_one(fitted: Recommender) -> None:
    users = np.arange(30)
    together = fitted.scores(users)
    assert torch.equal(together, torch.cat([fitted.scores(users[[i]]) for i in users]))


def test_scores_are_fresh_so_that_masking_them_harms_nobody(fitted: Recommender) -> None:
    before = fitted.scores(np.arange(4)).clone()
    fitted.scores(np.arange(4)).fill_(-1)
    assert torch.equal(fitted.scores(np.arange(4)), before)


def test_the_same_seed_gives_the_same_scores(kind: type[Recommender], make: Make, random_data: Data) -> None:
    one, other = make(kind.__name__), make(kind.__name__)
    one.fit(*random_data, seed=5)
    other.fit(*random_data, seed=5)
    assert torch.equal(one.scores(np.arange(30)), other.scores(np.arange(30)))


def test_it_survives_the_disk(fitted: Recommender, tmp_path: Path) -> None:
    fitted.save(tmp_path / "r")
    loaded = type(fitted).load(tmp_path / "r")
    users = np.arange(30)
    assert torch.equal(loaded.scores(users), fitted.scores(users))
    assert loaded.config == fitted.config
    rows, new = np.array([1, 7]), np.eye(8, dtype=np.float32)[:2]
    assert torch.equal(loaded.with_items(rows, new).scores(users), fitted.with_items(rows, new).scores(users))


def test_files_of_another_recommender_or_none_are_refused(fitted: Recommender, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recommender can be read"):
        type(fitted).load(tmp_path)
    fitted.save(tmp_path)
    other = next(RECOMMENDERS.get(n) for n in RECOMMENDERS.names() if n != type(fitted).__name__)
    with pytest.raises(UserError, match=f"holds a {type(fitted).__name__}, not a {other.__name__}"):
        other.load(tmp_path)
    (tmp_path / "recommender.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UserError, match="no recommender can be read"):
        type(fitted).load(tmp_path)


def test_with_items_leaves_the_original_alone(fitted: Recommender) -> None:
    users = np.arange(30)
    before = fitted.scores(users).clone()
    changed = fitted.with_items(np.array([0, 1]), np.ones((2, 8), dtype=np.float32))
    assert (changed is fitted) == (not fitted.uses_images)
    assert torch.equal(fitted.scores(users), before)
    assert torch.equal(changed.scores(users), before) == (not fitted.uses_images)


def test_with_items_of_another_extractor_or_not_finite_are_refused(fitted: Recommender) -> None:
    rows = np.array([0, 1])
    if not fitted.uses_images:
        assert fitted.with_items(rows, np.full((2, 9), np.nan, dtype=np.float32)) is fitted
        return
    with pytest.raises(UserError, match="hold NaN or infinity, the first of item row 1"):
        fitted.with_items(rows, np.array([[1.0] * 8, [np.inf] * 8]))
    with pytest.raises(UserError, match=r"expected embeddings of shape \(2, D\), got \(1, 8\)"):
        fitted.with_items(rows, np.ones((1, 8), dtype=np.float32))
    with pytest.raises(UserError, match=r"was fitted on embeddings of width 8, got width 9; give it the emb"):
        fitted.with_items(rows, np.ones((2, 9), dtype=np.float32))


def test_item_scores_are_those_of_with_items_and_have_a_gradient(fitted: Recommender) -> None:
    users, rows = np.array([0, 4, 4, 29]), np.array([3, 20, 3, 59])
    new = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    if not fitted.differentiable:
        with pytest.raises(UserError, match="has no differentiable item side"):
            fitted.item_scores(users, rows, torch.from_numpy(new))
        return
    found = fitted.item_scores(users, rows, torch.from_numpy(new))
    assert found.shape == (4, 4)
    for column, row in enumerate(rows):
        alone = fitted.with_items(rows[[column]], new[[column]]).scores(users)[:, row]
        assert torch.allclose(found[:, column], alone, atol=1e-6)
    # Someone who took the item, because in ACF nobody else sees its picture.
    owners = np.array([0, 1, 2, 3])
    exact = torch.from_numpy(new).double().requires_grad_(True)
    assert fitted.item_scores(owners, rows, exact).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda e: fitted.item_scores(owners, rows, e), exact, atol=1e-7)
    assert fitted.item_scores(np.array([], dtype=np.int64), rows, exact).shape == (0, 4)
    with pytest.raises(UserError, match="width 8, got width 7"):
        fitted.item_scores(users, rows, torch.zeros(4, 7))
    with pytest.raises(ValueError, match=r"embeddings must be \(4, D\), got"):
        fitted.item_scores(users, rows, torch.zeros(3, 8))


def test_evaluation_does_not_depend_on_the_batch(fitted: Recommender, random_data: Data) -> None:
    data = random_data[0]
    held = Interactions(data.users, data.train, None, data.train[::-1].tocsr(), True, [])
    one, many = (evaluate(fitted, held, [5], batch=batch, metrics=["nDCG"]) for batch in (1, 64))
    assert np.array_equal(one.lists, many.lists)
    assert np.array_equal(one["nDCG", 5].values, many["nDCG", 5].values)
