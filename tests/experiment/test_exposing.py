"""Shares of the lists before and after attacks: the untouched catalog is ranked once a threat."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment import Stage, Store, Workspace, exposing
from elliot_advrec.experiment.exposing import exposure_rows

USERS, ITEMS, CUTOFFS = 6, 12, (2, 5)


class Given:
    """Scores that are given; counts how often all users are ranked."""

    def __init__(self, seed: int) -> None:
        self.all = torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(seed))
        self.ranked = 0

    def scores(self, users: np.ndarray) -> torch.Tensor:
        self.ranked += 1
        return self.all[torch.from_numpy(users)].clone()


INTERACTIONS = Interactions(
    [f"u{row}" for row in range(USERS)],
    csr_matrix(np.eye(USERS, ITEMS, dtype=np.float32)),
    None,
    csr_matrix((USERS, ITEMS)),
    True,
    [],
)


def stage(fitted: Stage, items: list[int] | None, known_only: bool = False) -> Stage:
    exposed = None if items is None else np.array(items)
    parts = {
        "threat": SimpleNamespace(exposed=lambda scene: exposed),
        "evaluation": SimpleNamespace(cutoffs=CUTOFFS),
        "known_only": known_only,
    }
    attack = Stage("attack", "attack", {})
    return Stage("rerank", "rerank", {}, {"recommender": fitted, "attack": attack}, parts=parts)


def test_the_untouched_catalog_is_ranked_once_for_all_attacks_of_a_threat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposing, "scene", lambda workspace, stage: None)
    untouched = {name: Given(number) for number, name in enumerate(("one", "other"))}
    monkeypatch.setattr(Workspace, "recommender", lambda self, stage: untouched[stage.label])
    fitted = {name: Stage("recommender", name, {"name": name}) for name in untouched}

    def workspace() -> Workspace:
        return Workspace(Store(tmp_path), torch.device("cpu"), 0)

    def rows(of: Workspace, *asked: Any, name: str = "one", seed: int = 7) -> list[dict[str, Any]]:
        return exposure_rows(of, stage(fitted[name], *asked), Given(seed), INTERACTIONS)  # type: ignore[arg-type]

    shared = workspace()
    # Another attack, threat, rule of what may be listed, or recommender: only the first needs no new lists.
    different: list[dict[str, Any]] = [
        {"asked": ([0, 3, 8],)},
        {"asked": ([0, 3, 8],), "seed": 8},
        {"asked": ([0, 3, 9],)},
        {"asked": ([0, 3, 8], True)},
        {"asked": ([0, 3, 8],), "name": "other"},
    ]
    for case in different:
        rest = {key: value for key, value in case.items() if key != "asked"}
        assert rows(shared, *case["asked"], **rest) == rows(workspace(), *case["asked"], **rest)
    alone = 4  # each of those on "one" by itself
    assert untouched["one"].ranked == alone + 3
    assert untouched["other"].ranked == 2
    assert {row["metric"] for row in rows(shared, [0, 3, 8])} == {"CHR", "CHR_clean", "CHR_p_value"}
    assert rows(shared, None) == []
