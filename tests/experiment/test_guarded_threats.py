"""Every threat and every kind of attack against a filter and a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from guarded import SQUEEZED, Ran, guarded, run

THREATS: list[dict[str, Any]] = [
    {"preset": "item_to_item", "pairs": 4, "rank_min": [3]},
    {"preset": "category", "pairs": 4, "min_items": 1, "regimes": ["fixed", "poisoned"]},
    {"preset": "promotion", "pairs": 4, "k": [5]},
    {
        "preset": "promotion",
        "name": "by rank",
        "pairs": 2,
        "k": [5],
        "knowledge": "rank",
        "recommenders": "VBPR",
    },
    {"preset": "demotion", "pairs": 4, "k": [5]},
    {"preset": "untargeted", "users": 2, "negatives": 3, "k": [2]},
    {"preset": "cold_start", "pairs": 4, "k": [5]},
]
SEEING = ["item_to_item", "category", "promotion", "demotion", "untargeted", "cold_start"]
ATTACKS: list[dict[str, Any]] = [
    {"preset": "bim", "steps": 2, "eps": 0.1, "threats": SEEING},
    {"preset": "bb", "steps": 2, "perturbations": 3, "queries": 9, "eps": 0.1, "threats": "by rank"},
    {"preset": "square", "queries": 6, "eps": 0.1, "threats": "by rank"},
    {"preset": "replace", "eps": 1, "threats": "cold_start"},
]
GUARD = {"name": "guard", "filter": "resize_pad", "detector": SQUEEZED, "draws": 2, "tries": 2, "evasion": 1}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    recipe = guarded("none", GUARD, threats=THREATS, attacks=ATTACKS)
    recipe["experiment"]["adversarial"]["catalog"]["cold"] = 0.2
    return run(recipe, tmp_path_factory.mktemp("guarded threats"))


def knowers(ran: Ran, threat: str, attack: str) -> set[str | None]:
    rows = ran.rows(threat=threat, defense="guard")
    return {row["knowledge"] for row in rows if row["attack"].partition(" (")[0] == attack}


def test_who_can_know_what(ran: Ran) -> None:
    for threat in SEEING:
        assert knowers(ran, threat, "bim") == {"oblivious", "adaptive", "evading"}, threat
    for attack in ("bb", "square"):  # answers alone: no gradient of a score
        assert knowers(ran, "by rank", attack) == {"oblivious", "adaptive"}
    assert knowers(ran, "cold_start", "replace") == {"oblivious"}  # it looks at nothing
    assert knowers(ran, "category (poisoned)", "bim") == {"oblivious", "adaptive", "evading"}


def test_each_cell_is_measured_and_its_detector_too(ran: Ran) -> None:
    fresh = ran.workspace.catalog(ran.stage("catalog")).rows_of("test")
    for row in ran.rows(metric="flagged", defense="guard"):
        same = {k: row[k] for k in ("threat", "attack", "recommender", "eps", "steps", "knowledge", "seed")}
        stage = {key: value for key, value in same.items() if key not in ("recommender", "steps")}
        attacked = next(s for s in ran.stages("attack", defense="guard", **stage))
        rows = ran.workspace.arrays(attacked, "pairs.npz")["attack_row"]
        counted = ran.rows(metric="detection_accuracy", defense="guard", **same)
        assert [each["n"] for each in counted] == [2 * n for n in [len({*rows} & {*fresh})] if n]
        assert ran.rows(metric="ssim", defense="guard", **same)
        assert row["n"] >= 2
    threats = {row["threat"] for row in ran.rows(metric="flagged", defense="guard")}
    assert threats == {*SEEING, "by rank"}


def test_uploads_go_through_the_filter(ran: Ran) -> None:
    """A black box sees what the shop would show it: other values than of the bare extractor."""
    for attack in ("bb", "square"):
        bare = ran.pairs(defense="none", threat="by rank", attack=attack)
        knowing = ran.pairs(defense="guard", threat="by rank", attack=f"{attack} (adaptive)")
        assert np.array_equal(knowing["queries"], bare["queries"])  # one draw a query
        assert not np.array_equal(
            ran.pictures(defense="none", threat="by rank", attack=attack),
            ran.pictures(defense="guard", threat="by rank", attack=f"{attack} (adaptive)"),
        )
        assert (knowing["image_updates"] > 0).all()


def test_oblivious_pictures_are_the_undefended_ones_for_every_threat(ran: Ran) -> None:
    stages = [
        stage for stage in ran.stages("attack", defense="guard") if stage.tags["knowledge"] == "oblivious"
    ]
    assert {stage.tags["threat"] for stage in stages} == {*SEEING, "by rank"}
    for stage in stages:
        where = {key: stage.tags.get(key) for key in ("threat", "eps", "recommender")}
        attack = stage.tags["attack"].removesuffix(" (oblivious)")
        theirs = ran.pictures(defense="none", attack=attack, **where)
        assert np.array_equal(ran.pictures(defense="guard", attack=stage.tags["attack"], **where), theirs)


def test_refused_items_stay_where_they_were_for_every_threat(ran: Ran) -> None:
    seen = 0
    for stage in ran.stages("attack", defense="guard"):
        pairs = ran.workspace.arrays(stage, "pairs.npz")
        refused = pairs["flagged_after_8bit"]
        embeddings = ran.workspace.embeddings(stage.needs["embeddings"])
        assert np.array_equal(pairs["embedding_8bit"][refused], embeddings[pairs["attack_row"][refused]])
        seen += int(refused.sum())
    assert seen


def test_the_poisoned_learn_from_what_was_let_through(ran: Ran) -> None:
    rows = ran.rows(threat="category (poisoned)", defense="guard", metric="CHR", recommender="VBPR")
    assert {row["knowledge"] for row in rows} == {"oblivious", "adaptive", "evading"}
