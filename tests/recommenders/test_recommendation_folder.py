"""Lists from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.listing import recommend
from elliot_advrec.metrics.ranking import judge
from elliot_advrec.recommenders.recommendation_folder import (
    ProxyRecommender,
    ProxyRecommenderConfig,
    RecommendationFolderConfig,
    folder_models,
)

IDS = ["a", "b", "c", "d", "e"]
# u saw a, v saw b, w saw c and e.
TRAIN = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 1]], dtype=np.float32)
TEST = np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]], dtype=np.float32)
DATA = Interactions(["u", "v", "w"], csr_matrix(TRAIN), None, csr_matrix(TEST), False, [])


def proxy(folder: Path, *rows: str, name: str = "lists.tsv", **attributes: Any) -> ProxyRecommender:
    path = folder / name
    path.write_text("".join(f"{row}\n".replace(" ", "\t") for row in rows))
    recommender = ProxyRecommender(ProxyRecommenderConfig(path=path))
    recommender.item_ids = IDS
    for key, value in attributes.items():
        setattr(recommender, key, value)
    recommender.fit(DATA)
    return recommender


def names(lists: np.ndarray) -> list[str]:
    return ["".join(IDS[item] for item in row if item >= 0) for row in lists]


def ranked(recommender: ProxyRecommender, k: int = 5) -> list[str]:
    return names(recommend(recommender, np.arange(3), [DATA.train], k))


def test_the_ranking_is_the_files_order_and_equal_scores_stand_as_they_are(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "v d 7", "u e 1", "u c 1", "u b 1", "v c 7", "v a -3", "w b 0.5")
    assert ranked(recommender) == ["ecb", "dca", "b"]
    assert ranked(recommender, 1) == ["e", "d", "b"]
    assert names(recommender.given.lists) == ["ecb", "dca", "b"]
    assert recommender.notes == []


def test_rows_go_by_score_wherever_they_stand(tmp_path: Path) -> None:
    assert ranked(proxy(tmp_path, "u b 1", "w d 2", "u c 3", "v a 1", "u d 2", "w b inf")) == [
        "cdb",
        "a",
        "bd",
    ]


def test_nothing_takes_the_place_of_what_may_not_be_recommended(tmp_path: Path) -> None:
    rows = ["u a 9", "u b 8", "u zz 7", "u c 6", "v a 1", "w a 1"]
    whole, cut = proxy(tmp_path, *rows), proxy(tmp_path, *rows, length=3)
    assert names(whole.given.lists) == ["bc", "a", "a"]
    assert ranked(whole) == ["bc", "a", "a"]
    assert names(cut.given.lists) == ["b", "a", "a"]
    assert ranked(cut) == ["b", "a", "a"]
    assert cut.notes == ["lists: 2 rows name an item that is unknown or was seen in training: left out"]


def test_candidates_are_all_that_may_be_recommended(tmp_path: Path) -> None:
    candidates = csr_matrix(np.array([[0, 0, 1, 1, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]], dtype=np.float32))
    recommender = proxy(tmp_path, "u b 3", "u c 2", "v a 1", "w d 1", candidates=candidates)
    assert names(recommender.given.lists) == ["c", "a", ""]


def test_users_without_a_list_are_not_judged(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "u c 2", "w d 1")
    given = recommender.given
    assert given.users.tolist() == [0, 2]
    ranking = judge(given.users, given.lists, DATA.test, DATA.train, [2], metrics=["HR"])
    assert ranking.rate("HR", 2).value == 0.5
    assert ranked(recommender) == ["c", "", "d"]
    assert recommender.notes == ["lists: 1 users have no list and are not judged"]


def test_users_that_were_not_trained_on_are_left_out_and_said(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "u c 2", "x a 1", "x b 1", "v a 1", "w a 1")
    assert recommender.notes == ["lists: 2 rows are of users without training rows and are left out"]
    assert ranked(recommender) == ["c", "a", "a"]


def test_an_item_that_comes_twice_counts_twice_but_scores_once(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "u c 2", "u c 1", "u d 0", "v a 1", "w a 1")
    assert names(recommender.given.lists) == ["ccd", "a", "a"]
    assert ranked(recommender) == ["cd", "a", "a"]
    assert recommender.notes == ["lists: 1 rows name an item again, which counts again"]


def test_scores_count_places_to_the_end_and_batches_do_not_matter(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "u c 2", "u d 1", "w b 0.5")
    low = -torch.inf
    assert recommender.scores(np.array([0, 1])).tolist() == [[low, low, 2, 1, low], [low] * 5]
    assert torch.equal(recommender.scores(np.array([2, 0]))[1], recommender.scores(np.array([0]))[0])
    assert recommender.scores(np.array([], dtype=np.int64)).shape == (0, 5)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    recommender = proxy(tmp_path, "u c 2", "u c 1", "x a 1", "w zz 1", "w b 0.5")
    recommender.save(tmp_path / "stored")
    loaded = ProxyRecommender.load(tmp_path / "stored")
    assert torch.equal(loaded.scores(np.arange(3)), recommender.scores(np.arange(3)))
    assert np.array_equal(loaded.given.lists, recommender.given.lists)
    assert loaded.notes == recommender.notes
    assert len(loaded.notes) == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x a 1", r"lists.tsv: no user of it has training rows; the first is 'x'; .* as 'u'"),
        ("u zz 1", r"lists.tsv: no item of it is known; the first is 'zz'"),
        ("u a", r"lists.tsv, line 1: no score"),
    ],
)
def test_files_that_cannot_be_lists_are_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        proxy(tmp_path, row)


def test_it_asks_for_ids(tmp_path: Path) -> None:
    recommender = ProxyRecommender(ProxyRecommenderConfig(path=tmp_path / "x.tsv"))
    with pytest.raises(UserError, match="needs the catalog's ids"):
        recommender.fit(DATA)


def test_a_folder_is_a_proxy_for_each_file_by_its_name(tmp_path: Path) -> None:
    for name in ("BPRMF_lr=0$001.tsv", "a.b.tsv", "plain", ".hidden"):
        (tmp_path / name).write_text("u\tc\t1\n")
    (tmp_path / "inner").mkdir()
    found = folder_models(validate(RecommendationFolderConfig, {"folder": str(tmp_path)}, ""))
    assert [(proxy.label, proxy.path.name) for proxy in found] == [
        ("BPRMF_lr=0$001", "BPRMF_lr=0$001.tsv"),
        ("a.b", "a.b.tsv"),
        ("plain", "plain"),
    ]
    assert ProxyRecommenderConfig(path=tmp_path / "x.tsv", name="ours").label == "ours"


def test_folders_without_lists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recs").mkdir()
    with pytest.raises(
        UserError, match=r"recz: the folder cannot be read \(No such file.*did you mean 'recs'"
    ):
        folder_models(RecommendationFolderConfig(folder=tmp_path / "recz"))
    with pytest.raises(UserError, match="cannot be read"):
        folder_models(RecommendationFolderConfig(folder=tmp_path / "no" / "where"))
    with pytest.raises(UserError, match="recs: the folder holds no lists"):
        folder_models(RecommendationFolderConfig(folder=tmp_path / "recs"))
    for name in ("x.tsv", "x.csv"):
        (tmp_path / "recs" / name).touch()
    with pytest.raises(UserError, match=r"x.csv and x.tsv are both called 'x'; rename one"):
        folder_models(RecommendationFolderConfig(folder=tmp_path / "recs"))
