"""Neighbour lists, votes, and catalogs in which some items changed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders.content_knn import ContentKNN, ContentKNNConfig
from elliot_advrec.recommenders.item_index import FaissFlat, FaissHNSW, TorchFlat

Data = tuple[Interactions, np.ndarray]


def fit(data: Data, **settings_: Any) -> ContentKNN:
    recommender = ContentKNN(ContentKNNConfig(**settings_))
    recommender.fit(*data)
    return recommender


def cosines(embeddings: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    return embeddings.astype(np.float64) @ embeddings.T / np.maximum(np.outer(norms, norms), 1e-30)


def naive_list(similarity: np.ndarray, row: int, k: int) -> list[int]:
    # Rounded, so that items which are equal but for the last bits of a float32 tie here as well.
    key = np.round(similarity[row], 6)
    return [i for i in np.lexsort((np.arange(len(key)), -key)) if i != row][:k]


def clustered(seed: int, items: int = 400, users: int = 40) -> Data:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(8, 16))
    embeddings = centres[generator.integers(8, size=items)] + 0.3 * generator.normal(size=(items, 16))
    train = np.zeros((users, items), dtype=np.float32)
    for row in train:
        row[generator.choice(items, 5, replace=False)] = 1
    empty = csr_matrix(train.shape, dtype=np.float32)
    ids = [str(u) for u in range(users)]
    return Interactions(ids, csr_matrix(train), None, empty, True, []), embeddings.astype(np.float32)


def test_on_a_checkerboard_every_user_gets_the_item_of_its_colour(checkerboard: Data) -> None:
    for aggregate in ("mean", "max"):
        recommender = fit(checkerboard, neighbors=4, aggregate=aggregate)
        assert evaluate(recommender, checkerboard[0], [1], metrics=["HR"]).value("HR", 1) == 1.0
        ids, similarity = recommender.neighbours(np.arange(10), 4)
        assert ((ids % 2) == (np.arange(10)[:, None] % 2)).all()
        assert (similarity > 0.99).all()


@pytest.mark.parametrize("k", [1, 7, 59, 200])
def test_lists_are_those_of_a_full_sort(random_data: Data, k: int) -> None:
    similarity = cosines(random_data[1])
    ids, found = fit(random_data).neighbours(np.arange(60), k)
    assert ids.shape == (60, min(k, 59))
    for row in range(60):
        assert np.allclose(found[row], similarity[row, ids[row]], atol=1e-6)
        assert (np.diff(found[row]) <= 0).all()
        if row != 9:  # everything is as far from the zero embedding
            expected = naive_list(similarity, row, k)
            assert np.allclose(similarity[row, ids[row]], similarity[row, expected], atol=1e-6)
            assert row not in ids[row]
    assert ids[9].tolist() == [i for i in range(60) if i != 9][: ids.shape[1]] or k < 59
    assert [set(ids[4, :2]), set(ids[5, :2]), set(ids[6, :2])] == [{5, 6}, {4, 6}, {4, 5}] or k == 1


def test_lists_do_not_depend_on_the_batch(random_data: Data) -> None:
    recommender = fit(random_data)
    ids, similarity = recommender.neighbours(np.arange(60), 10)
    for row in range(60):
        one = recommender.neighbours(np.array([row]), 10)
        assert np.array_equal(one[1][0], similarity[row])
        assert np.array_equal(one[0][0], ids[row]) or row == 9


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_scores_are_those_of_naive_loops(random_data: Data, aggregate: str) -> None:
    recommender = fit(random_data, neighbors=6, aggregate=aggregate)
    train = random_data[0].train.toarray()
    for user in range(30):
        votes: list[list[float]] = [[] for _ in range(60)]
        profile = np.flatnonzero(train[user])
        for item in profile:
            for row, similarity in zip(*recommender.neighbours(np.array([item]), 6), strict=True):
                for other, value in zip(row, similarity, strict=True):
                    votes[other].append(float(value))
        expected = [
            0.0 if not v else (sum(v) / len(profile) if aggregate == "mean" else max(v)) for v in votes
        ]
        assert np.allclose(recommender.scores(np.array([user]))[0].numpy(), expected, atol=1e-6)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    changed=st.integers(0, 30),
    k=st.sampled_from([1, 3, 10, 50]),
    move=st.sampled_from(["anywhere", "onto another", "nowhere"]),
)
def test_with_items_equals_a_fit_from_scratch(seed: int, changed: int, k: int, move: str) -> None:
    data, embeddings = clustered(seed, items=80, users=15)
    generator = np.random.default_rng(seed)
    rows = generator.choice(80, changed, replace=False)
    new = embeddings.copy()
    if move == "anywhere":
        new[rows] = generator.normal(size=(changed, 16))
    elif move == "onto another":
        new[rows] = embeddings[generator.integers(80, size=changed)] + 0.01 * generator.normal(
            size=(changed, 16)
        )
    incremental = fit((data, embeddings), neighbors=k, index="flat").with_items(rows, new[rows])
    scratch = fit((data, new), neighbors=k, index="flat")
    users = np.arange(15)
    assert torch.allclose(incremental.scores(users), scratch.scores(users), atol=1e-6)
    ours, theirs = (r.neighbours(np.arange(80), k) for r in (incremental, scratch))
    assert np.array_equal(ours[0], theirs[0])
    assert np.allclose(ours[1], theirs[1], atol=1e-6)


def test_changes_add_up_and_can_be_taken_back() -> None:
    data, embeddings = clustered(1)
    generator = np.random.default_rng(0)
    first, second = np.array([3, 50, 7]), np.array([7, 200])
    new = embeddings.copy()
    start = fit((data, embeddings), neighbors=10)
    new[first] = generator.normal(size=(3, 16))
    once = start.with_items(first, new[first])
    new[second] = embeddings[[8, 9]]
    twice = once.with_items(second, new[second])
    scratch = fit((data, new), neighbors=10)
    users = np.arange(40)
    assert torch.allclose(twice.scores(users), scratch.scores(users), atol=1e-6)
    both = np.array([3, 50, 7, 200])
    back = twice.with_items(both, embeddings[both])
    assert torch.equal(back.scores(users), start.scores(users))


def test_of_an_item_that_comes_twice_the_last_counts() -> None:
    data, embeddings = clustered(2)
    start = fit((data, embeddings), neighbors=10)
    twice = start.with_items(np.array([5, 8, 5]), embeddings[[100, 101, 102]])
    once = start.with_items(np.array([8, 5]), embeddings[[101, 102]])
    assert torch.equal(twice.scores(np.arange(40)), once.scores(np.arange(40)))


def test_with_items_searches_only_lists_that_lost_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    data, embeddings = clustered(3)
    recommender = fit((data, embeddings), neighbors=5, index="flat")
    searched: list[int] = []
    original = FaissFlat.search

    def counting(self: FaissFlat, queries: np.ndarray, k: int) -> np.ndarray:
        searched.append(len(queries))
        return original(self, queries, k)

    monkeypatch.setattr(FaissFlat, "search", counting)
    profile = np.unique(data.train.indices)
    ids, _ = recommender.neighbours(profile, 5)
    searched.clear()
    row = int(ids[0, 0])
    recommender.with_items(np.array([row]), -embeddings[[row]])
    concerned = (ids == row).any(axis=1) | (profile == row)
    assert sum(searched) == concerned.sum()
    assert concerned.sum() < len(profile) / 2


def test_the_backends_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clustered(4)
    exact = fit(data, neighbors=10, index="flat")
    graph = fit(data, neighbors=10, index="hnsw")
    assert isinstance(exact._neighbours.index, FaissFlat)
    assert isinstance(graph._neighbours.index, FaissHNSW)
    rows = np.arange(400)
    expected = exact.neighbours(rows, 10)
    recall = (graph.neighbours(rows, 10)[0] == expected[0]).mean()
    assert recall > 0.98
    monkeypatch.setitem(sys.modules, "faiss", None)
    for index in ("flat", "hnsw"):
        fallback = fit(data, neighbors=10, index=index)
        assert isinstance(fallback._neighbours.index, TorchFlat)
        assert np.array_equal(fallback.neighbours(rows, 10)[0], expected[0])
        assert torch.equal(fallback.scores(np.arange(40)), exact.scores(np.arange(40)))


def test_with_items_works_over_a_graph() -> None:
    data, embeddings = clustered(5)
    new = embeddings.copy()
    new[[1, 2]] = embeddings[[30, 31]] * 2 + 0.001
    changed = fit((data, embeddings), neighbors=10, index="hnsw").with_items(np.array([1, 2]), new[[1, 2]])
    scratch = fit((data, new), neighbors=10, index="flat")
    rows = np.arange(400)
    assert (changed.neighbours(rows, 10)[0] == scratch.neighbours(rows, 10)[0]).mean() > 0.98


def test_auto_is_exact_for_small_catalogs_and_a_graph_for_large(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clustered(6)
    assert isinstance(fit(data)._neighbours.index, FaissFlat)
    monkeypatch.setattr("elliot_advrec.recommenders.content_knn.FLAT_BELOW", 400)
    assert isinstance(fit(data)._neighbours.index, FaissHNSW)


def test_a_catalog_of_one_item_has_no_neighbours() -> None:
    one = csr_matrix(np.ones((2, 1), dtype=np.float32))
    recommender = fit((Interactions(["a", "b"], one, None, one, True, []), np.ones((1, 3), dtype=np.float32)))
    assert recommender.neighbours(np.array([0]), 5)[0].shape == (1, 0)
    assert recommender.scores(np.array([0, 1])).tolist() == [[0.0], [0.0]]
    changed = recommender.with_items(np.array([0]), np.zeros((1, 3), dtype=np.float32))
    assert changed.scores(np.array([0])).tolist() == [[0.0]]


def test_bad_embeddings_are_refused(random_data: Data) -> None:
    data, embeddings = random_data
    recommender = ContentKNN()
    with pytest.raises(UserError, match="ContentKNN needs item embeddings"):
        recommender.fit(data, None)
    with pytest.raises(UserError, match=r"expected embeddings of shape \(60, D\), got \(59, 8\)"):
        recommender.fit(data, embeddings[:59])
    broken = embeddings.copy()
    broken[[7, 11], 2] = np.nan, np.inf
    with pytest.raises(UserError, match="2 embeddings hold NaN or infinity, the first of item row 7"):
        recommender.fit(data, broken)
    recommender.fit(data, embeddings)
    with pytest.raises(UserError, match="hold NaN"):
        recommender.with_items(np.array([7]), broken[[7]])
    with pytest.raises(UserError, match=r"shape \(2, D\), got \(1, 8\)"):
        recommender.with_items(np.array([7, 8]), embeddings[[7]])
