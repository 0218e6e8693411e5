"""The evaluator against Elliot's numbers, naive loops and hand-made answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions, read
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.ranking import METRICS, Ranking, evaluate, judge, relevant_users
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.metrics.significance import ttest, wilcoxon
from elliot_advrec.metrics.topk import top_k

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
ALL = list(METRICS)


class Fixed:
    """Scores that are given."""

    def __init__(self, scores: np.ndarray) -> None:
        self.all = torch.as_tensor(scores, dtype=torch.float32)

    def scores(self, users: np.ndarray) -> torch.Tensor:
        return self.all[torch.from_numpy(users)].clone()


def data(train: np.ndarray, test: np.ndarray, validation: np.ndarray | None = None) -> Interactions:
    parts = [
        csr_matrix(np.asarray(p, dtype=np.float32)) if p is not None else None
        for p in (train, test, validation)
    ]
    assert parts[0] is not None
    assert parts[1] is not None
    return Interactions([str(u) for u in range(len(train))], parts[0], parts[2], parts[1], True, [])


@pytest.fixture(scope="module")
def elliot() -> dict[str, Ranking]:
    """Elliot's own lists for three models, judged here."""
    folder = GOLDEN / "ratio"
    train, test = read(folder / "train.tsv"), read(folder / "test.tsv")
    items = {item: i for i, item in enumerate(sorted(set(train["item"]) | set(test["item"])))}
    users = {user: u for u, user in enumerate(train["user"].unique())}
    rows, columns = test["user"].map(users).to_numpy(), test["item"].map(items).to_numpy()
    held = csr_matrix((test["rating"], (rows, columns)), shape=(len(users), len(items)))
    evaluated = relevant_users(held, 4)
    judged = {}
    for model in ("MostPop", "ItemKNN", "Random"):
        table = read(folder / "recs" / f"{model}.tsv")
        by_user = table.groupby("user")["item"].apply(list)
        lists = np.full((len(users), 20), -1)
        for user, row in users.items():
            found = [items[i] for i in by_user[user]]
            lists[row, : len(found)] = found
        judged[model] = judge(evaluated, lists[evaluated], held, [5, 10, 20], 4, ALL)
    return judged


@pytest.mark.parametrize("cutoff", [5, 10, 20])
@pytest.mark.parametrize("model", ["MostPop", "ItemKNN", "Random"])
def test_elliots_lists_get_elliots_numbers(elliot: dict[str, Ranking], model: str, cutoff: int) -> None:
    table = pd.read_csv(GOLDEN / "ratio" / f"rec_cutoff_{cutoff}_relthreshold_4.tsv", sep="\t")
    row = table[table["model"].str.startswith(model)].iloc[0]
    for metric in ALL:
        assert elliot[model].mean(metric, cutoff) == pytest.approx(row[metric], abs=1e-9), metric


@pytest.mark.parametrize(("name", "function"), [("paired_ttest", ttest), ("wilcoxon_test", wilcoxon)])
def test_elliots_lists_get_elliots_p_values(elliot: dict[str, Ranking], name: str, function: object) -> None:
    path = GOLDEN / "ratio" / f"stat_{name}_cutoff_10_relthreshold_4.tsv"
    table = pd.read_csv(path, sep="\t", header=None, names=["one", "other", "metric", "p"])
    compared = 0
    for row in table.itertuples():
        if row.metric in ("nDCG", "Recall", "MRR", "MAP"):
            one, other = (elliot[str(m).split("_")[0]][row.metric, 10] for m in (row.one, row.other))
            assert function(one, other).p == pytest.approx(row.p, rel=1e-6)  # type: ignore[operator]
            compared += 1
    assert compared == 24


def naive(ranked: list[int], ratings: dict[int, float], k: int, threshold: float) -> dict[str, float]:
    gains = {i: 2 ** (r - threshold + 1) - 1 for i, r in ratings.items() if r >= threshold}
    top = ranked[:k]
    best = sorted(gains.values(), reverse=True)[:k]
    discount = [1 / math.log2(rank + 2) for rank in range(k)]
    hits = [item in gains for item in top]
    precision, recall = sum(hits) / k, sum(hits) / len(gains)
    return {
        "nDCG": sum(gains.get(i, 0) * d for i, d in zip(top, discount, strict=False))
        / sum(g * d for g, d in zip(best, discount, strict=False)),
        "nDCGRendle2020": sum(h * d for h, d in zip(hits, discount, strict=False))
        / sum(discount[: len(best)]),
        "HR": float(any(hits)),
        "Precision": precision,
        "Recall": recall,
        "F1": 2 * precision * recall / (precision + recall) if any(hits) else 0.0,
        "MAP": sum(sum(hits[: n + 1]) / (n + 1) for n in range(k)) / k,
        "MRR": next((1 / (n + 1) for n, h in enumerate(hits) if h), 0.0),
    }


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    items=st.integers(2, 12),
    cutoffs=st.lists(st.integers(1, 15), min_size=1, max_size=3, unique=True),
    threshold=st.sampled_from([0, 1, 2.5, 4]),
    levels=st.sampled_from([2, 1000]),
    batch=st.integers(1, 7),
)
def test_evaluate_equals_naive_loops(
    seed: int, items: int, cutoffs: list[int], threshold: float, levels: int, batch: int
) -> None:
    generator = np.random.default_rng(seed)
    part = generator.integers(0, 4, size=(5, items))  # 0 unseen, 1 train, 2 validation, 3 test
    ratings = generator.integers(1, 6, size=(5, items))
    scores = generator.integers(0, levels, size=(5, items)).astype(np.float32)
    inputs = data(ratings * (part == 1), ratings * (part == 3), ratings * (part == 2))
    relevant = ((part == 3) & (ratings >= threshold)).any(axis=1)
    if not relevant.any():
        with pytest.raises(UserError, match="no user has a held-out rating"):
            evaluate(Fixed(scores), inputs, cutoffs, relevance_threshold=threshold)
        return
    found = evaluate(Fixed(scores), inputs, cutoffs, relevance_threshold=threshold, metrics=ALL, batch=batch)
    assert found.users.tolist() == np.flatnonzero(relevant).tolist()
    for row, user in enumerate(found.users):
        open_items = [i for i in range(items) if part[user, i] in (0, 3)]
        ranked = sorted(open_items, key=lambda i: (-scores[user, i], i))
        held = {i: float(ratings[user, i]) for i in range(items) if part[user, i] == 3}
        for k in cutoffs:
            padded = [*ranked, *[-1] * k][:k]
            assert found.lists[row, :k].tolist() == padded
            for metric, value in naive(padded, held, k, threshold).items():
                assert found[metric, k][row] == pytest.approx(value, abs=1e-12), metric


def test_seen_items_are_masked() -> None:
    train, validation, test = (np.eye(4)[[0]], np.eye(4)[[1]], np.eye(4)[[2]])
    scores = Fixed(np.array([[9.0, 8.0, 1.0, 5.0]]))
    inputs = data(train, test, validation)
    assert evaluate(scores, inputs, [4]).lists.tolist() == [[3, 2, -1, -1]]
    assert evaluate(scores, inputs, [4], mask_validation=False).lists.tolist() == [[1, 3, 2, -1]]
    assert evaluate(scores, inputs, [4], split="validation").lists.tolist() == [[1, 3, 2, -1]]


def test_a_perfect_list_scores_one_and_a_useless_one_nought() -> None:
    test = np.array([[5, 0, 3, 0, 0, 0.0]])
    inputs = data(np.zeros_like(test), test)
    perfect = evaluate(Fixed(test), inputs, [2], metrics=ALL)
    assert {name: perfect.mean(name, 2) for name in ALL} == dict.fromkeys(ALL, 1.0)
    useless = evaluate(Fixed(-test), inputs, [2], metrics=ALL)
    assert {name: useless.mean(name, 2) for name in ALL} == dict.fromkeys(ALL, 0.0)


def test_a_mean_carries_its_interval_and_users_are_told() -> None:
    generator = np.random.default_rng(0)
    test = np.eye(20)[generator.integers(20, size=50)]
    test[7] = 0
    told: list[int] = []
    found = evaluate(
        Fixed(generator.random((50, 20))), data(np.zeros_like(test), test), [5], batch=8, advance=told.append
    )
    rate = found.rate("nDCG", 5)
    assert rate.n == 49
    assert rate.low < rate.value == found.mean("nDCG", 5) < rate.high
    assert sum(told) == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["NDCG"]}, "unknown metric 'NDCG'; did you mean 'nDCG'"),
        ({"cutoffs": [0]}, "cutoffs must be at least 1"),
        ({"cutoffs": []}, "cutoffs must be at least 1"),
        ({"split": "validation"}, "no validation part"),
        ({"relevance_threshold": 6}, "at least 6; lower it; the highest rating is 1"),
    ],
)
def test_bad_questions_are_refused(arguments: dict[str, object], message: str) -> None:
    inputs = data(np.zeros((2, 3)), np.eye(3)[:2])
    with pytest.raises(UserError, match=message):
        evaluate(Fixed(np.zeros((2, 3))), inputs, **{"cutoffs": [2], **arguments})  # type: ignore[arg-type]


def test_scores_that_are_not_numbers_are_refused() -> None:
    scores = np.zeros((2, 3))
    scores[1, 1] = np.nan
    with pytest.raises(UserError, match="Fixed gave scores that are not numbers"):
        evaluate(Fixed(scores), data(np.zeros((2, 3)), np.eye(3)[:2]), [2])


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 5),
    columns=st.integers(1, 30),
    k=st.integers(1, 35),
    levels=st.sampled_from([1, 2, 5, 10_000]),
)
def test_top_k_is_a_stable_sort(seed: int, rows: int, columns: int, k: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, size=(rows, columns)).astype(np.float32)
    scores[generator.random(scores.shape) < 0.3] = -np.inf
    found = top_k(torch.from_numpy(scores), k)
    for row in range(rows):
        order = [i for i in np.lexsort((np.arange(columns), -scores[row])) if scores[row, i] > -np.inf]
        assert found[row].tolist() == [*order, *[-1] * k][:k]
    assert found.shape == (rows, k)


def test_intervals_of_measures_in_0_1_stay_there() -> None:
    few = np.array([0.0, 0.0, 0.0, 1.0])
    ranking = Ranking(np.arange(4), np.zeros((4, 1), int), {("HR", 1): few, ("nDCG", 1): few * 0.9})
    hits, gain = ranking.rate("HR", 1), ranking.rate("nDCG", 1)
    assert (hits.low, hits.high) == wilson(1, 4)
    assert gain.low == 0.0
    assert gain.high <= 1.0
    assert hits.n == gain.n == 4
