"""The evaluator against naive loops and hand-made answers."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.formulas import METRICS
from elliot_advrec.metrics.listing import recommend_scored
from elliot_advrec.metrics.measured import Overall, PerUser, Ranking
from elliot_advrec.metrics.ranking import evaluate, judge

ALL = list(METRICS)
# What a list, and not what is trained on, decides; all of them in [0, 1], 1 the best.
ACCURACY = ["nDCG", "nDCGRendle2020", "HR", "Precision", "Recall", "F1", "MAP", "MRR", "LAUC", "GAUC", "AUC"]


class Fixed:
    """Scores that are given."""

    def __init__(self, scores: np.ndarray) -> None:
        self.all = torch.as_tensor(scores, dtype=torch.float32)

    def scores(self, users: np.ndarray) -> torch.Tensor:
        return self.all[torch.from_numpy(users)].clone()


def sparse(values: np.ndarray) -> csr_matrix:
    return csr_matrix(np.asarray(values, dtype=np.float32))


def data(train: np.ndarray, test: np.ndarray, validation: np.ndarray | None = None) -> Interactions:
    names = [str(u) for u in range(len(train))]
    held = None if validation is None else sparse(validation)
    return Interactions(names, sparse(train), held, sparse(test), True, [])


def drawn(seed: int, items: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts (0 unseen, 1 train, 2 validation, 3 test), ratings (the first user likes all) and scores."""
    generator = np.random.default_rng(seed)
    part = generator.integers(0, 4, size=(6, items))
    ratings = generator.integers(1, 6, size=(6, items))
    part[0, :2], ratings[0] = (1, 3), max(5, int(np.ceil(threshold)))
    return part, ratings, generator.integers(0, generator.choice([2, 1000]), size=(6, items))


def compare(
    found: Ranking,
    lists: dict[int, list[int]],
    held: dict[int, dict[int, float]],
    k: int,
    threshold: float,
    catalog: naive.Catalog,
) -> None:
    by_user = {u: naive.of_user(lists[u], held[u], k, threshold, u, catalog) for u in lists}
    together = naive.of_all(lists, held, k, threshold, catalog)
    for metric in ALL:
        measured = found[metric, k]
        if isinstance(measured, Overall):
            assert measured.value == pytest.approx(together[metric], abs=1e-9, nan_ok=True), metric
            assert measured.n == len(lists)
        else:
            assert measured.users.tolist() == [u for u in lists if metric in by_user[u]]
            for user, value in zip(measured.users, measured.values, strict=True):
                assert value == pytest.approx(by_user[user][metric], abs=1e-9), (metric, user)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 100_000),
    items=st.integers(2, 12),
    cutoffs=st.lists(st.integers(1, 15), min_size=1, max_size=3, unique=True),
    threshold=st.sampled_from([0, 1, 2.5, 4]),
    batch=st.sampled_from([None, 1, 2, 4, 7]),
    restriction=st.sampled_from(["none", "items", "candidates"]),
)
def test_evaluate_equals_naive_loops(
    seed: int, items: int, cutoffs: list[int], threshold: float, batch: int | None, restriction: str
) -> None:
    part, ratings, scores = drawn(seed, items, threshold)
    inputs = data(ratings * (part == 1), ratings * (part == 3), ratings * (part == 2))
    generator = np.random.default_rng(seed + 1)
    admitted = generator.random(items) < 0.7 if restriction == "items" else np.ones(items, dtype=bool)
    admitted[:2] = True
    candidates = generator.random((6, items)) < 0.5
    found = evaluate(
        Fixed(scores), inputs, cutoffs, relevance_threshold=threshold, metrics=ALL, batch=batch,
        items=admitted if restriction == "items" else None,
        candidates=sparse(candidates) if restriction == "candidates" else None,
    )  # fmt: skip
    lists, held = {}, {}
    for user in range(6):
        ranked = sorted(range(items), key=lambda i: (-scores[user, i], i))
        allowed = candidates if restriction == "candidates" else np.isin(part, (0, 3)) & admitted
        if (part[user] == 3).any():
            lists[user] = [i for i in ranked if allowed[user, i]]
            held[user] = {i: float(ratings[user, i]) for i in range(items) if part[user, i] == 3}
    assert found.users.tolist() == list(lists)
    longest = max(cutoffs)
    assert found.lists.tolist() == [[*ranked, *[-1] * longest][:longest] for ranked in lists.values()]
    if any(lists.values()):  # see the test of lists of nothing
        catalog = naive.Catalog({u: set(np.flatnonzero(part[u] == 1)) for u in range(6)}, int(admitted.sum()))
        for k in cutoffs:
            compare(found, lists, held, k, threshold, catalog)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 100_000),
    items=st.integers(3, 12),
    length=st.integers(1, 9),
    cutoffs=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True),
    threshold=st.sampled_from([0, 2.5, 4]),
)
def test_given_lists_with_gaps_and_repetitions_equal_naive_loops(
    seed: int, items: int, length: int, cutoffs: list[int], threshold: float
) -> None:
    part, ratings, _ = drawn(seed, items, threshold)
    generator = np.random.default_rng(seed + 1)
    rows = np.full((6, length), -1)
    for row in rows:
        size = generator.integers(0, length + 1)
        row[:size] = generator.integers(items, size=size)
    rows[0, 0] = 0
    train, test = ratings * (part == 1), ratings * (part == 3)
    found = judge(
        np.arange(6), rows, sparse(test), sparse(train), cutoffs,
        relevance_threshold=threshold, metrics=ALL, catalog_size=items,
    )  # fmt: skip
    held = {
        u: {i: float(ratings[u, i]) for i in range(items) if part[u, i] == 3}
        for u in range(6)
        if (part[u] == 3).any()
    }
    lists = {u: [int(i) for i in rows[u] if i >= 0] for u in held}
    catalog = naive.Catalog({u: set(np.flatnonzero(part[u] == 1)) for u in range(6)}, items)
    for k in cutoffs:
        compare(found, lists, held, k, threshold, catalog)


def test_lists_of_nothing_have_values_that_can_be_written() -> None:
    train, test = np.eye(3)[[0, 1]], np.eye(3)[[1, 2]]
    found = judge(np.arange(2), np.full((2, 3), -1), sparse(test), sparse(train), [2], metrics=ALL)
    undefined = {"AUC", "PopREO", "PopRSP"}
    values = {metric: found.value(metric, 2) for metric in ALL}
    assert {metric for metric, value in values.items() if np.isnan(value)} == undefined
    assert {metric for metric, value in values.items() if value == 0} == set(ALL) - undefined - {"Gini"}
    assert values["Gini"] == 1


def test_users_without_a_held_out_rating_are_left_out() -> None:
    test = np.array([[0, 3, 0], [0, 0, 0], [0, 0, 1.0]])
    found = judge(
        np.arange(3), np.array([[1], [0], [2]]), sparse(test), sparse(np.eye(3)), [1],
        relevance_threshold=2, metrics=["HR", "ARP", "UserCoverage"],
    )  # fmt: skip
    hits, popularity = found["HR", 1], found["ARP", 1]
    assert isinstance(hits, PerUser)
    assert isinstance(popularity, PerUser)
    # The third user's only rating is not relevant: a list, but nothing to be accurate about.
    assert (hits.users.tolist(), popularity.users.tolist()) == ([0], [0, 2])
    assert found.value("UserCoverage", 1) == 2


def test_seen_items_are_masked() -> None:
    train, validation, test = (np.eye(4)[[0]], np.eye(4)[[1]], np.eye(4)[[2]])
    scores = Fixed(np.array([[9.0, 8.0, 1.0, 5.0]]))
    inputs = data(train, test, validation)
    assert evaluate(scores, inputs, [4]).lists.tolist() == [[3, 2, -1, -1]]
    assert evaluate(scores, inputs, [4], mask_validation=False).lists.tolist() == [[1, 3, 2, -1]]
    assert evaluate(scores, inputs, [4], split="validation").lists.tolist() == [[1, 3, 2, -1]]
    only = sparse(np.array([[1, 0, 1, 0]]))
    lists, _ = recommend_scored(scores, np.arange(1), [inputs.train], 3, candidates=only)
    assert lists.tolist() == [[0, 2, -1]]
    some = np.array([True, True, True, False])
    lists, worth = recommend_scored(scores, np.arange(1), [inputs.train], 3, items=some)
    assert (lists.tolist(), worth.tolist()) == ([[1, 2, -1]], [[8.0, 1.0, -np.inf]])


def test_a_perfect_list_scores_one_and_a_useless_one_nought() -> None:
    test = np.array([[5, 0, 3, 0, 0, 0.0]])
    inputs = data(np.zeros_like(test), test)
    perfect = evaluate(Fixed(test), inputs, [2], metrics=ACCURACY)
    assert {name: perfect.value(name, 2) for name in ACCURACY} == dict.fromkeys(ACCURACY, 1.0)
    useless = evaluate(Fixed(-test), inputs, [2], metrics=ACCURACY)
    # Two relevant items below all four others; AUC counts one place more, as Elliot does.
    share = {"AUC": 1 / 5, "GAUC": 1 / 5}
    assert {name: useless.value(name, 2) for name in ACCURACY} == dict.fromkeys(ACCURACY, 0.0) | share


def test_ratings_mean_what_they_say() -> None:
    """float32 holds 4.1 as 4.0999999, which is still relevant at a threshold of 4.1."""
    test = np.array([[0, 4.1, 4.7]])
    found = evaluate(Fixed(test), data(np.eye(3)[[0]], test), [1], relevance_threshold=4.1)
    assert found.value("nDCG", 1) == 1
    found = evaluate(Fixed(-test), data(np.eye(3)[[0]], test), [1], relevance_threshold=4.1)
    # The list's first is now the lower rating: a gain of 1 over one of 2^1.6 - 1.
    assert found.value("nDCG", 1) == pytest.approx(1 / (2**1.6 - 1), abs=1e-12)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_what_does_not_matter_changes_nothing(seed: int) -> None:
    part, ratings, _ = drawn(seed, 12, 0)
    generator = np.random.default_rng(seed)
    scores = generator.permutation(6 * 12).reshape(6, 12).astype(np.float32)
    users, items = generator.permutation(6), generator.permutation(12)

    def measured(order: np.ndarray, columns: np.ndarray, worth: np.ndarray) -> dict[Any, float]:
        shuffled = [(ratings * (part == p))[order][:, columns] for p in (1, 3, 2)]
        found = evaluate(Fixed(worth[order][:, columns]), data(*shuffled), [3, 8], metrics=ALL)
        return {key: found[key].value for key in found}

    plain = measured(np.arange(6), np.arange(12), scores)
    assert measured(users, np.arange(12), scores) == pytest.approx(plain, abs=1e-12, nan_ok=True)
    assert measured(np.arange(6), np.arange(12), scores * 3 - 7) == pytest.approx(plain, nan_ok=True)
    # Where popularity ties, the short head goes by column, so relabelling items may move its border.
    by_border = {"APLT", "ACLT", "PopREO", "PopRSP"}
    relabelled = measured(np.arange(6), items, scores)
    for key, value in plain.items():
        if key[0] not in by_border:
            assert relabelled[key] == pytest.approx(value, abs=1e-12), key
    for metric in ("HR", "Recall", "MRR", "ItemCoverage", "ACLT", "NumRetrieved"):
        assert plain[metric, 3] <= plain[metric, 8], "a longer list cannot lose these"
    for metric in ("nDCG", "Recall", "MAP", "MAR", "MRR", "F1", "LAUC", "GAUC", "AUC", "EPC", "APLT", "Gini"):
        assert 0 <= plain[metric, 8] <= 1, metric


def test_counting_ranks_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    part, ratings, scores = drawn(3, 12, 0)
    inputs = data(ratings * (part == 1), ratings * (part == 3))
    whole = evaluate(Fixed(scores), inputs, [4], metrics=ALL)
    monkeypatch.setattr("elliot_advrec.metrics.listing.BLOCK", 24)
    monkeypatch.setattr("elliot_advrec.metrics.accuracy.BLOCK", 8)
    pieces = evaluate(Fixed(scores), inputs, [4], metrics=ALL)
    assert {key: pieces[key].value for key in pieces} == {key: whole[key].value for key in whole}


def test_users_are_told_of_and_metrics_may_be_written_in_any_case() -> None:
    generator = np.random.default_rng(0)
    test = np.eye(20)[generator.integers(20, size=50)]
    test[7] = 0
    told: list[int] = []
    found = evaluate(
        Fixed(generator.random((50, 20))), data(np.zeros_like(test), test), [5], batch=8,
        metrics=["ndcg", "GINI"], advance=told.append,
    )  # fmt: skip
    assert list(found) == [("nDCG", 5), ("Gini", 5)]
    assert len(found.users) == 49
    assert sum(told) == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["nDGC"]}, "metric 'nDGC' is not known to the embedded host; did you mean 'nDCG'"),
        ({"metrics": ["mae"]}, "metric 'mae' is Elliot's own and is not computed here; take it out"),
        ({"metrics": []}, "no metric to compute"),
        ({"cutoffs": [0]}, "cutoffs must be at least 1"),
        ({"cutoffs": []}, "cutoffs must be at least 1"),
        ({"split": "validation"}, "no validation part"),
        ({"relevance_threshold": 6}, "at least 6; lower it; the highest rating is 1"),
    ],
)
def test_bad_questions_are_refused(arguments: dict[str, Any], message: str) -> None:
    inputs = data(np.zeros((2, 3)), np.eye(3)[:2])
    with pytest.raises(UserError, match=message):
        evaluate(Fixed(np.zeros((2, 3))), inputs, **{"cutoffs": [2], **arguments})


def test_lists_that_nothing_is_relevant_to_are_refused() -> None:
    nothing = sparse(np.zeros((2, 3)))
    with pytest.raises(UserError, match="at least 0; hold rows out"):
        judge(np.arange(2), np.zeros((2, 1), int), nothing, nothing, [1])
    with pytest.raises(UserError, match="at least 3; lower it; the highest rating is 1"):
        judge(np.arange(2), np.zeros((2, 1), int), sparse(np.eye(3)[:2]), nothing, [1], relevance_threshold=3)


def test_scores_that_are_not_numbers_are_refused_and_infinite_ones_are_not() -> None:
    scores = np.zeros((2, 3))
    inputs = data(np.zeros((2, 3)), np.eye(3)[:2])
    scores[1, :2] = np.inf, -np.inf
    assert evaluate(Fixed(scores), inputs, [3]).lists.tolist() == [[0, 1, 2], [0, 2, -1]]
    scores[1, 1] = np.nan
    with pytest.raises(UserError, match="Fixed gave scores that are not numbers"):
        evaluate(Fixed(scores), inputs, [2])
