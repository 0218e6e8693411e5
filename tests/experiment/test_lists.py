"""Recommendation lists on disk: plain numbers, one file a cell, none outside the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment import Finished, Stage, Store, Workspace, collect_lists
from elliot_advrec.experiment.lists import NAME, write_lists
from elliot_advrec.recommenders.most_pop import MostPop


class Fixed(MostPop):
    """Scores that a test chose."""

    def scores(self, users: np.ndarray) -> Tensor:
        return torch.tensor([[0.1, 0.5, 0.25]]).repeat(len(users), 1)


def test_a_list_holds_plain_numbers_of_unseen_items(tmp_path: Path) -> None:
    seen = csr_matrix(np.array([[0, 1, 0]], np.float32))
    write_lists(Fixed(), Interactions(["u"], seen, None, seen, False, []), ["a", "b", "c"], 3, tmp_path)
    lines = [line.split("\t") for line in (tmp_path / NAME).read_text("utf-8").splitlines()]
    assert [line[:2] for line in lines] == [["u", "c"], ["u", "a"]]
    np.testing.assert_array_equal([np.float32(line[2]) for line in lines], np.float32([0.25, 0.1]))


def test_labels_neither_collide_nor_lead_out_of_the_folder(tmp_path: Path) -> None:
    workspace = Workspace(Store(tmp_path / "store"), torch.device("cpu"), 0)
    finished = []
    for number, (attack, threat) in enumerate([("../../../x", "one"), ("../../../x", "two"), ("pgd", "two")]):
        tags: dict[str, Any] = {"recommender": "R", "defense": "at", "seed": 1, "threat": threat}
        tags |= {"attack": attack, "steps": 4, "eps": 0.05}
        stage = Stage("rerank", "", {"number": number}, tags=tags)
        workspace.folder(stage).mkdir(parents=True)
        (workspace.folder(stage) / NAME).write_text(str(number), "utf-8")
        finished.append(Finished(stage, {}, False))
    collect_lists(finished, workspace, tmp_path / "deep" / "recs")
    kept = {path.parent: path.read_text("utf-8") for path in tmp_path.rglob("*.tsv") if path.name != NAME}
    assert set(kept) == {tmp_path / "deep" / "recs"}
    found = sorted(path.read_text("utf-8") for path in (tmp_path / "deep" / "recs").iterdir())
    assert found == ["0", "1", "2"]
