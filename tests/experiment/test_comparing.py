"""p-values of a defense against none: exact McNemar on the same pairs, corrected for how many are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from elliot_advrec.experiment.comparing import compare
from elliot_advrec.experiment.stages import COLUMNS, Stage
from elliot_advrec.threats.item_to_item import ItemToItem, ItemToItemConfig

NONE = [1, 1, 1, 1, 1, 1, 2, 9, 9, 9]
AT = [9, 9, 9, 9, 9, 9, 2, 1, 9, 9]
CAT = [1, 1, 1, 1, 1, 9, 9, 9, 9, 9]


def attack(defense: str, ranks: list[int], eps: float = 0.03, rank_min: tuple[int, ...] = (1, 3)) -> Stage:
    threat = ItemToItem(ItemToItemConfig(rank_min=rank_min))
    return Stage(
        "attack",
        f"{defense} {eps}",
        {"ranks": ranks, "defense": defense, "eps": eps},
        tags={
            "defense": defense,
            "threat": "item_to_item",
            "attack": "pgd",
            "eps": eps,
            "norm": "linf",
            "steps": 4,
            "seed": 1,
        },
        parts={"threat": threat, "pairs": len(ranks)},
    )


def compared(*stages: Stage, recommenders: tuple[str, ...] = ("ContentKNN",)) -> list[dict[str, Any]]:
    return compare(
        list(stages),
        lambda stage: {"rank_after": np.array(stage.settings["ranks"])},
        {"item_to_item": list(recommenders)},
    )


def test_p_values_are_scipys_by_hand() -> None:
    rows = compared(attack("none", NONE), attack("at", AT), attack("cat", CAT))
    # (gained, lost) against none. AT: rank 1 (1, 6), rank 3 (1, 6). CAT: rank 1 (0, 1), rank 3 (0, 2).
    plain = [stats.binomtest(gained, total).pvalue for gained, total in ((1, 7), (1, 7), (0, 1), (0, 2))]
    assert plain[0] == pytest.approx(2 * (1 + 7) / 2**7)
    expected = stats.false_discovery_control(plain)
    found = [(row["defense"], row["rank_min"], row["value"]) for row in rows]
    assert [name[:2] for name in found] == [("at", 1), ("at", 3), ("cat", 1), ("cat", 3)]
    assert [value for *_, value in found] == pytest.approx(expected.tolist())
    for row in rows:
        assert tuple(row) == COLUMNS
        assert (row["metric"], row["n"], row["ci_low"]) == ("p_value_vs_none", 10, None)


def test_each_budget_is_compared_with_the_same_budget() -> None:
    rows = compared(
        attack("none", NONE, 0.03, (1,)),
        attack("none", AT, 0.05, (1,)),
        attack("at", NONE, 0.03, (1,)),
        attack("at", AT, 0.05, (1,)),
    )
    assert [(row["eps"], row["value"]) for row in rows] == [(0.03, 1.0), (0.05, 1.0)]


def test_without_an_undefended_peer_there_is_nothing_to_compare() -> None:
    assert compared(attack("at", AT), attack("cat", CAT)) == []
    assert compared(attack("none", NONE), attack("at", AT, eps=0.05)) == []


def test_every_recommender_that_sees_images_gets_the_rows() -> None:
    rows = compared(attack("none", NONE), attack("at", AT), recommenders=("A", "B"))
    assert [row["recommender"] for row in rows] == ["A", "B"] * 2


def test_an_attack_on_too_few_to_count_is_not_compared() -> None:
    assert compared(attack("none", []), attack("at", [])) == []
