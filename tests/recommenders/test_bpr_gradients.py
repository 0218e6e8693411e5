"""Gradients written by hand against those of autograd, in float64, for every setting that changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.recommenders.bpr.network import Initial, Network
from elliot_advrec.recommenders.bpr.optimiser import lay_out
from elliot_advrec.recommenders.bpr.pairwise import PairwiseRecommender
from elliot_advrec.recommenders.bpr.sampling import TripleSampler
from elliot_advrec.recommenders.context import FitContext

HEAVY = {"l_w": 0.3, "l_b": 0.2, "l_e": 0.1}
BY_HAND: list[tuple[str, dict[str, Any]]] = [
    ("BPRMF", {"bias_regularization": 0.3, "user_regularization": 0.2, "positive_item_regularization": 0.1}),
    ("BPRMF", {"update_negative_item_factors": False, "negative_item_regularization": 0.4}),
    ("BPRMF", {"update_users": False}),
    ("BPRMF", {"update_items": False, "update_bias": False}),
    ("VBPR", {}),
    ("VBPR", {**HEAVY, "factors": 3, "factors_d": 2}),
    ("VBPR", {"l_e": 0, "l_w": 0}),
    ("AMR", {**HEAVY, "eps": 0.5, "l_adv": 0.7, "factors": 3, "factors_d": 2, "adversarial_epochs": 1}),
    ("AMR", {**HEAVY, "eps": 0.5, "l_adv": 0.7, "perturb": "both", "adversarial_epochs": 1}),
    ("AMR", {"adversarial_epochs": 0, "l_adv": 3}),
    ("DeepStyle", {"l_w": 0.3, "factors": 4}),
]


def network(name: str, settings: dict[str, Any], data: tuple[Interactions, np.ndarray]) -> Network:
    interactions, embeddings = data
    kind = RECOMMENDERS.get(name)
    recommender = kind(kind.config_class(epochs=1, **settings))
    assert isinstance(recommender, PairwiseRecommender)
    recommender.context = FitContext(categories=np.arange(embeddings.shape[0]) % 5 - 1)
    sampler = TripleSampler(interactions.train, 3)
    made = recommender._network(interactions, embeddings, sampler, Initial(1), torch.device("cpu")).double()
    if made.features is not None:
        made.features.table = made.features.table.double()
    with torch.no_grad():
        for parameter in made.parameters():  # first values are small or zero; nothing should depend on it
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.3)
    made.train()
    made.begin(0)
    return made


def both_ways(net: Network, triples: Any) -> tuple[float, float, list[Tensor], list[Tensor]]:
    flat = lay_out(net)
    by_hand = float(net.gradients(triples))
    assert flat.grad is not None
    found = [parameter.grad.clone() for parameter in net.learnable() if parameter.grad is not None]
    flat.grad.zero_()
    loss = net.loss(triples)
    wanted = torch.autograd.grad(loss, net.learnable())
    return by_hand, float(loss.detach()), found, list(wanted)


@pytest.mark.parametrize(("name", "settings"), BY_HAND)
def test_gradients_by_hand_are_those_of_autograd(
    name: str, settings: dict[str, Any], random_data: tuple[Interactions, np.ndarray]
) -> None:
    net = network(name, settings, random_data)
    triples = TripleSampler(random_data[0].train, 3).epoch(0).batch(0, 100)  # users and items come repeatedly
    assert len(torch.unique(triples.users)) < 40
    assert getattr(net, "adversarial", False) == bool(settings.get("adversarial_epochs"))
    by_hand, loss, found, wanted = both_ways(net, triples)
    assert by_hand == pytest.approx(loss, rel=1e-12)
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)
        assert theirs.abs().max() > 0


@pytest.mark.parametrize(("name", "settings"), BY_HAND)
def test_a_batch_leaves_no_gradient_behind(
    name: str, settings: dict[str, Any], random_data: tuple[Interactions, np.ndarray]
) -> None:
    net = network(name, settings, random_data)
    flat = lay_out(net)
    assert flat.grad is not None
    for start in (0, 30):
        triples = TripleSampler(random_data[0].train, 3).epoch(0).batch(start, 30)
        net.gradients(triples)
        assert flat.grad.any()
        net.clear(triples)
        assert not flat.grad.any()


def test_gradients_add_up_over_calls_but_for_the_projection(
    random_data: tuple[Interactions, np.ndarray],
) -> None:
    # The trainer zeroes them after each step; the projection's is written over, which that allows.
    net = network("VBPR", {}, random_data)
    triples = TripleSampler(random_data[0].train, 3).epoch(0)
    lay_out(net)
    net.gradients(triples)
    first = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}  # type: ignore[union-attr]
    net.gradients(triples)
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        times = 1 if name == "projection" else 2
        assert torch.allclose(parameter.grad, times * first[name])


def test_the_loss_of_vbpr_is_elliots_in_naive_loops(random_data: tuple[Interactions, np.ndarray]) -> None:
    settings = {"l_w": 0.01, "l_b": 0.02, "l_e": 0.03, "factors": 3, "factors_d": 2}
    net = network("VBPR", settings, random_data)
    triples = TripleSampler(random_data[0].train, 3).epoch(0).batch(5, 20)
    parts = {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}
    gamma, theta = parts["users"][:, :3], parts["users"][:, 3:]
    E, visual_bias = parts["projection"][:2].T, parts["projection"][2]
    total = 0.0
    for u, i, j in zip(*(column.numpy() for column in triples), strict=True):
        score = {}
        for item in (i, j):
            f = random_data[1][item].astype(np.float64)
            score[item] = parts["bias"][item] + gamma[u] @ parts["items"][item] + theta[u] @ (E.T @ f)
            score[item] += visual_bias @ f
        total += np.log1p(np.exp(score[j] - score[i]))
        squares = [gamma[u], parts["items"][i], parts["items"][j], theta[u]]
        total += 0.01 * sum((part**2).sum() / 2 for part in squares)
        total += 0.02 * parts["bias"][i] ** 2 / 2 + 0.02 / 10 * parts["bias"][j] ** 2 / 2
    total += 0.03 * ((E**2).sum() / 2 + (visual_bias**2).sum() / 2)
    assert float(net.loss(triples).detach()) == pytest.approx(total, rel=1e-10)


def test_laying_out_keeps_values_and_shares_memory(random_data: tuple[Interactions, np.ndarray]) -> None:
    net = network("VBPR", {}, random_data)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    flat = lay_out(net)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    with torch.no_grad():
        flat.zero_()
    assert all(not tensor.any() for tensor in net.state_dict().values())


def test_cold_items_start_and_stay_at_zero() -> None:
    train = np.zeros((6, 9), dtype=np.float32)
    train[:, :5] = np.random.default_rng(0).integers(0, 2, (6, 5))
    train[0, 0], train[0, 1] = 1, 0
    interactions = Interactions(
        [str(u) for u in range(6)], csr_matrix(train), None, csr_matrix(train), True, []
    )
    embeddings = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    kind = RECOMMENDERS.get("VBPR")
    recommender = kind(kind.config_class(epochs=5, batch_size=4, lr=0.1))
    recommender.fit(interactions, embeddings)
    learned: Any = recommender
    cold = np.flatnonzero(train.sum(0) == 0)
    assert len(cold) >= 4
    assert not learned._learned.items[cold].any()
    assert not learned._learned.bias[cold].any()
    assert learned._learned.items[0].any()
