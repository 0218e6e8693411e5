"""The very lists that Elliot made: made again, and read back."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.private_ids import private_items, private_users
from elliot_advrec.data.tsv import read
from elliot_advrec.metrics.listing import recommend
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.item_knn import ItemKNN, ItemKNNConfig
from elliot_advrec.recommenders.most_pop import MostPop
from elliot_advrec.recommenders.recommendation_folder import (
    ProxyRecommender,
    RecommendationFolderConfig,
    folder_models,
)

GOLDEN = Path(__file__).parent / "elliot"
LENGTH = 20


@pytest.fixture(params=["ratio", "leave1", "kcore"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def training(case: str) -> pd.DataFrame:
    return read(GOLDEN / case / "train.tsv")


def interactions(case: str, items: list[str]) -> Interactions:
    table = training(case)
    users = private_users(table)
    place = (
        pd.Index(users).get_indexer(pd.Index(table["user"])),
        pd.Index(items).get_indexer(pd.Index(table["item"])),
    )
    train = csr_matrix((table["rating"].to_numpy(np.float32), place), shape=(len(users), len(items)))
    return Interactions(users, train, None, train, False, [])


def elliots(case: str, model: str) -> pd.DataFrame:
    path = GOLDEN / case / "recs" / f"{model}.tsv"
    return pd.read_csv(path, sep="\t", names=["user", "item", "score"], dtype={"user": str, "item": str})


def lists(recommender: Recommender, data: Interactions, items: list[str]) -> dict[str, list[str]]:
    rows = recommend(recommender, np.arange(len(data.users)), [data.train], LENGTH)
    return {
        user: [items[item] for item in row if item >= 0] for user, row in zip(data.users, rows, strict=True)
    }


@pytest.mark.parametrize("model", ["MostPop", "ItemKNN"])
def test_with_items_in_elliots_order_lists_and_scores_are_elliots_own(case: str, model: str) -> None:
    items = private_items(training(case))
    data = interactions(case, items)
    recommender = MostPop() if model == "MostPop" else ItemKNN(ItemKNNConfig(neighbors=20))
    recommender.fit(data, None)
    table = elliots(case, model)
    assert lists(recommender, data, items) == table.groupby("user", sort=False)["item"].agg(list).to_dict()
    scores = recommender.scores(np.arange(len(data.users))).numpy()
    rows, columns = data.users.index, items.index
    given = table["score"].to_numpy(np.float32)
    ours = [scores[rows(u), columns(i)] for u, i in zip(table["user"], table["item"], strict=True)]
    assert np.array_equal(np.array(ours), given)


@pytest.mark.parametrize("model", ["MostPop", "ItemKNN"])
def test_in_any_other_order_they_differ_among_equal_scores_alone(case: str, model: str) -> None:
    items = sorted(training(case)["item"].unique(), reverse=True)
    data = interactions(case, items)
    recommender = MostPop() if model == "MostPop" else ItemKNN(ItemKNNConfig(neighbors=20))
    recommender.fit(data, None)
    table = elliots(case, model)
    scores = recommender.scores(np.arange(len(data.users))).numpy()
    ours = lists(recommender, data, items)
    swapped = 0
    for number, user in enumerate(data.users):
        theirs = table[table["user"] == user]
        given = theirs["score"].to_numpy(np.float64)
        mine = scores[number, [items.index(item) for item in ours[user]]]
        assert np.allclose(mine, given, rtol=1e-6)
        assert np.allclose(scores[number, [items.index(item) for item in theirs["item"]]], given, rtol=1e-6)
        swapped += ours[user] != theirs["item"].tolist()
    assert (swapped > 0) == (model == "MostPop")  # counts tie, cosines of these ratings do not


def test_a_folder_gives_back_the_lists_in_it(case: str) -> None:
    items = private_items(training(case))
    data = interactions(case, items)
    proxies = folder_models(RecommendationFolderConfig(folder=GOLDEN / case / "recs"))
    assert [proxy.label for proxy in proxies] == ["ItemKNN", "MostPop", "Random"]
    for config in proxies:
        recommender = ProxyRecommender(config)
        recommender.item_ids, recommender.length = items, LENGTH
        recommender.fit(data)
        expected = elliots(case, config.label).groupby("user", sort=False)["item"].agg(list).to_dict()
        given = recommender.given
        found = {
            data.users[user]: [items[item] for item in row]
            for user, row in zip(given.users, given.lists, strict=True)
        }
        assert found == expected
        if config.label == "Random":  # Elliot's names items twice
            assert "name an item again" in recommender.notes[0]
        else:
            assert recommender.notes == []
            assert lists(recommender, data, items) == expected
