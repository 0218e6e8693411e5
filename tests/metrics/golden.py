"""Elliot's own runs, kept under ``tests/golden/elliot``, in the shape that the evaluator takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.data.tsv import read
from elliot_advrec.metrics.given import arrange, read_lists
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.metrics.ranking import judge

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
CUTOFFS = (5, 10, 20)
THRESHOLDS = {"ratio": 4, "leave1": 0, "kcore": 3}
MODELS = {
    "MostPop": "MostPop",
    "Random_seed=42": "Random",
    "ItemKNN_nn=20_sim=cosine_imp=standard_bin=False_shrink=0_norm=True_asymalpha=_tvalpha=_tvbeta=_rweights=":
    "ItemKNN",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One split."""

    name: str
    users: list[str]
    items: list[str]
    train: csr_matrix
    held: csr_matrix

    def judge(self, table: pd.DataFrame, metrics: list[str], length: int = 20) -> Ranking:
        """A table of lists, judged as Elliot's proxy recommender would."""
        given = arrange(table, self.users, self.items, self.train, length)
        assert given.dropped == 0
        return judge(
            given.users, given.lists, self.held, self.train, CUTOFFS,
            relevance_threshold=THRESHOLDS[self.name], metrics=metrics,
        )  # fmt: skip

    def rankings(self, metrics: list[str]) -> dict[str, Ranking]:
        """Elliot's name of each model -> its own lists, judged here."""
        folder = GOLDEN / self.name / "recs"
        return {
            name: self.judge(read_lists(folder / f"{file}.tsv"), metrics) for name, file in MODELS.items()
        }


@cache
def case(name: str) -> Case:
    train, test = read(GOLDEN / name / "train.tsv"), read(GOLDEN / name / "test.tsv")
    # Training items in the order that Elliot's set of integers gives them, then items only tested on.
    order = {int(item) for item in train["item"]}
    items = [str(item) for item in order]
    items += sorted(set(test["item"]) - set(items))
    users = [str(user) for user in pd.unique(train["user"])]
    return Case(name, users, items, _matrix(train, users, items), _matrix(test, users, items))


def _matrix(table: pd.DataFrame, users: list[str], items: list[str]) -> csr_matrix:
    rows = pd.Index(users).get_indexer(pd.Index(table["user"]))
    columns = pd.Index(items).get_indexer(pd.Index(table["item"]))
    kept = rows >= 0
    matrix = csr_matrix(
        (table["rating"].to_numpy(np.float32)[kept], (rows[kept], columns[kept])),
        shape=(len(users), len(items)),
    )
    matrix.sort_indices()
    return matrix
