"""Filters and detectors in front of extractors, end to end: who knows what, and what a shop refuses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from guarded import CLOSED, LEARNED, SQUEEZED, Ran, guarded, run
from sklearn.metrics import roc_auc_score

from elliot_advrec import report
from elliot_advrec.metrics import SUMMARIES

AT = {"preset": "at", "steps": 1, "training": {"epochs": 1}}
DEFENSES: list[Any] = [
    "none",
    AT,
    {"name": "same", "filter": {"preset": "bit_depth", "bits": 8}, "tries": 2},
    {"name": "drawn", "filter": "resize_pad", "draws": 2, "tries": 2},
    {"name": "learned", **LEARNED, "ranking": "VBPR", "tries": 3},
    {"name": "counted", **LEARNED, "ranking": "VBPR", "refuse": False, "tries": 3},
    {"name": "closed", "detector": CLOSED, "tries": 2},
    {"name": "open", "detector": CLOSED, "refuse": False, "tries": 2},
    {"name": "over at", "over": "at", "filter": "jpeg", "detector": SQUEEZED, "tries": 2},
]
GUARDS = [entry["name"] for entry in DEFENSES[2:]]
SEEING = ["oblivious", "adaptive", "evading"]
PAIRS = 12
"""So many that test pictures are among the attacked ones."""
THREATS: list[Any] = [
    {"preset": "item_to_item", "pairs": PAIRS, "rank_min": [3]},
    {"preset": "promotion", "pairs": 4, "k": [5], "regimes": ["fixed", "poisoned"]},
]
ATTACKS: list[Any] = [
    {"preset": "fgsm", "eps": "8/255"},
    {"preset": "pgd", "steps": 2, "eps": 0.1, "threats": "item_to_item"},
]


def recipe() -> dict[str, Any]:
    return guarded(*copy.deepcopy(DEFENSES), threats=THREATS, attacks=ATTACKS)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run(recipe(), tmp_path_factory.mktemp("guarded"))


def pgd(knowledge: str | None) -> dict[str, Any]:
    return {
        "attack": "pgd" if knowledge is None else f"pgd ({knowledge})",
        "knowledge": knowledge,
        "threat": "item_to_item",
    }


def test_each_defense_has_its_attackers(ran: Ran) -> None:
    found: dict[str, set[str | None]] = {}
    for row in ran.rows(metric="success_rate", threat="item_to_item"):
        found.setdefault(row["defense"], set()).add(row["knowledge"])
        known = row["attack"].partition(" (")[2].removesuffix(")") or None
        assert known == row["knowledge"]
    assert found["none"] == found["at"] == {None}
    assert found["same"] == found["drawn"] == {"oblivious", "adaptive"}
    for name in ("learned", "counted", "closed", "open", "over at"):
        assert found[name] == set(SEEING)


def test_every_metric_has_its_line(ran: Ran) -> None:
    told = {row["metric"] for row in ran.results["rows"]}
    own = {"detection_threshold", "flagged_clean", "flagged", "detection_accuracy", "detection_auroc"}
    assert told >= {*own, "detection_tpr_at_1_fpr", "success_rate_resubmitted", "hit_rate_resubmitted"}
    assert told <= set(SUMMARIES)


def test_the_oblivious_bring_the_very_pictures_of_the_undefended(ran: Ran) -> None:
    for below, above in (("none", "same"), ("none", "learned"), ("none", "closed"), ("at", "over at")):
        theirs = ran.pictures(defense=below, **pgd(None))
        assert np.array_equal(ran.pictures(defense=above, **pgd("oblivious")), theirs)
    pairs = ran.pairs(defense="learned", **pgd("oblivious"))
    undefended = ran.pairs(defense="none", **pgd(None))
    for name in ("attack_row", "target_row", "loss", "gradient_evaluations", "queries", "linf"):
        assert np.array_equal(pairs[name], undefended[name])
    adaptive = ran.pictures(defense="learned", **pgd("adaptive"))
    assert not np.array_equal(adaptive, ran.pictures(defense="none", **pgd(None)))


def test_through_what_changes_nothing_the_adaptive_find_the_undefended_attack(ran: Ran) -> None:
    where = {"threat": "item_to_item"}
    bare = ran.pictures(defense="none", attack="fgsm", **where)
    assert np.array_equal(ran.pictures(defense="same", attack="fgsm (adaptive)", **where), bare)
    for name in ("cosine_after", "rank_after_8bit"):
        found = [
            ran.pairs(defense=defense, attack=attack, **where)[name]
            for defense, attack in (("none", "fgsm"), ("same", "fgsm (adaptive)"))
        ]
        assert np.allclose(*found, atol=1e-5)


def test_a_refused_picture_leaves_the_item_as_it_was(ran: Ran) -> None:
    seen = 0
    for defense in ("learned", "over at", "closed"):
        embeddings = ran.workspace.embeddings(
            ran.stage("recommender", defense=defense, recommender="VBPR").needs["embeddings"]
        )
        for knowledge in SEEING:
            pairs = ran.pairs(defense=defense, **pgd(knowledge))
            flagged = pairs["flagged_after_8bit"]
            assert np.array_equal(pairs["embedding_8bit"][flagged], embeddings[pairs["attack_row"][flagged]])
            assert np.array_equal(pairs["rank_after_8bit"][flagged], pairs["rank_before"][flagged])
            changed = np.abs(pairs["embedding_8bit"] - embeddings[pairs["attack_row"]]).max(1) > 0
            assert np.array_equal(changed, ~flagged)
            seen += int(flagged.sum())
    assert seen > 5


def test_what_is_embedded_is_the_filtered_picture(ran: Ran) -> None:
    for defense, knowledge in (("learned", "adaptive"), ("drawn", "adaptive"), ("over at", "oblivious")):
        stage = ran.stage("attack", defense=defense, **pgd(knowledge))
        shop, pairs = ran.workspace.shop(stage), ran.pairs(defense=defense, **pgd(knowledge))
        ids = ran.workspace.catalog(ran.stage("catalog")).ids
        shown = torch.from_numpy(ran.pictures(defense=defense, **pgd(knowledge))).float() / 255
        found = shop.embed(shown, [ids[row] for row in pairs["attack_row"]]).numpy()
        taken = ~pairs.get("flagged_after_8bit", np.zeros(len(found), bool))
        assert np.allclose(pairs["embedding_8bit"][taken], found[taken], atol=1e-4)


def test_where_all_is_refused_nothing_changes(ran: Ran) -> None:
    for name in ("nDCG", "HR"):
        for model in ("ContentKNN", "VBPR"):
            clean = ran.value(metric=name, defense="closed", threat=None, recommender=model, k=5)
            for knowledge in SEEING:
                where = {"defense": "closed", "recommender": model, "k": 5, "metric": name}
                assert ran.value(**where, **pgd(knowledge)) == clean
    for row in ran.rows(defense="closed", metric="success_rate"):
        same = {
            key: row[key] for key in ("defense", "attack", "threat", "recommender", "rank_min", "k", "eps")
        }
        assert ran.value(metric="success_rate_clean", **same) == row["value"]
        if "poisoned" not in row["threat"]:
            assert ran.value(metric="success_rate_resubmitted", **same) == row["value"]
    assert {row["value"] for row in ran.rows(defense="closed", metric="flagged")} == {1.0}
    assert {row["value"] for row in ran.rows(defense="closed", metric="flagged_clean")} == {1.0}


def test_thresholds_that_tell_nothing_apart_are_said(ran: Ran) -> None:
    said = [note for note in ran.results["notes"] if note.startswith("The detector of")]
    assert [note.partition(" flags ")[0] for note in said] == [
        "The detector of 'closed'",
        "The detector of 'open'",
    ]
    assert all("flags every picture" in note and "threshold is -1," in note for note in said)


def test_a_detector_that_only_counts_lets_everything_through(ran: Ran) -> None:
    for metric in ("success_rate", "success_rate_8bit", "nDCG"):
        for row in ran.rows(metric=metric, defense="none", recommender="ContentKNN", threat="item_to_item"):
            where = {key: row[key] for key in ("threat", "rank_min", "k", "eps", "recommender", "metric")}
            if metric == "success_rate":  # pictures come as 8-bit files
                where["metric"] = "success_rate_8bit"
            attack = f"{row['attack']} (oblivious)"
            expected = ran.value(defense="none", attack=row["attack"], **where)
            assert ran.value(defense="open", attack=attack, **{**where, "metric": metric}) == expected
    assert {row["value"] for row in ran.rows(defense="open", metric="flagged")} == {1.0}
    ours, theirs = (ran.pairs(defense=name, **pgd("oblivious")) for name in ("counted", "learned"))
    assert np.array_equal(ours["flagged_after_8bit"], theirs["flagged_after_8bit"])
    assert np.array_equal(ours["suspicion_after_8bit"], theirs["suspicion_after_8bit"])
    flagged = theirs["flagged_after_8bit"]
    assert np.array_equal(ours["embedding_8bit"][~flagged], theirs["embedding_8bit"][~flagged])


def test_without_a_filter_the_adaptive_know_nothing_more(ran: Ran) -> None:
    keys = {ran.stage("attack", defense="closed", **pgd(knowledge)).key for knowledge in SEEING}
    assert len(keys) == 2


def test_who_evades_is_seen_less(ran: Ran) -> None:
    for defense in ("learned", "over at"):
        seen = {
            knowledge: ran.pairs(defense=defense, **pgd(knowledge))["suspicion_after"].mean()
            for knowledge in ("adaptive", "evading")
        }
        assert seen["evading"] < seen["adaptive"]


def test_evasion_costs_an_attack_a_weight_and_draws_a_gradient_each(ran: Ran) -> None:
    def spent(defense: str, knowledge: str) -> set[int]:
        return set(ran.pairs(defense=defense, **pgd(knowledge))["gradient_evaluations"].tolist())

    assert spent("learned", "adaptive") == {2}
    assert spent("learned", "evading") == {2 * 3}
    assert spent("drawn", "adaptive") == {2 * 2}
    assert spent("drawn", "oblivious") == {2}
    for knowledge in SEEING:
        stage = ran.stage("attack", defense="learned", **pgd(knowledge))
        record = ran.workspace.record(stage)
        assert record["gradient_evaluations"] == ran.plan.gradients(stage)
    assert record["gradient_evaluations"] == PAIRS * 6


def test_rows_of_detectors_agree_with_a_recomputation(ran: Ran) -> None:
    fresh = set(ran.workspace.catalog(ran.stage("catalog")).rows_of("test").tolist())
    for defense in ("learned", "over at"):
        guard = ran.stage("guard", defense=defense)
        clean = ran.workspace.arrays(guard, "clean.npz")["suspicion"].astype(np.float64)
        [threshold] = {row["value"] for row in ran.rows(defense=defense, metric="detection_threshold")}
        false = [score > threshold for score in clean]
        assert ran.value(defense=defense, metric="flagged_clean") == sum(false) / len(false)
        for knowledge in SEEING:
            pairs = ran.pairs(defense=defense, **pgd(knowledge))
            attacked, before = (pairs[f"suspicion_{m}"].astype(np.float64) for m in ("after_8bit", "before"))
            where = {"defense": defense, "recommender": "ContentKNN", **pgd(knowledge)}
            hits = [score > threshold for score in attacked]
            assert hits == pairs["flagged_after_8bit"].tolist()
            assert ran.value(metric="flagged", **where) == pytest.approx(sum(hits) / PAIRS)
            first: dict[int, int] = {}  # of each test picture that is attacked, the first time
            for place, row in enumerate(pairs["attack_row"].tolist()):
                if row in fresh:
                    first.setdefault(row, place)
            attacked, before = (scores[[*first.values()]] for scores in (attacked, before))
            caught = sum(score > threshold for score in attacked)
            right = caught + sum(score <= threshold for score in before)
            assert ran.value(metric="detection_tpr", **where) == pytest.approx(caught / len(first))
            assert ran.value(metric="detection_accuracy", **where) == pytest.approx(right / (2 * len(first)))
            truth = [0] * len(clean) + [1] * len(attacked)
            expected = roc_auc_score(truth, [*clean, *attacked])
            assert ran.value(metric="detection_auroc", **where) == pytest.approx(expected)
            # Fewer than 100 clean pictures: none of them may be flagged.
            above = sum(score > clean.max() for score in attacked)
            assert ran.value(metric="detection_tpr_at_1_fpr", **where) == pytest.approx(above / len(first))


def test_a_clean_score_is_that_of_the_picture_in_the_catalog(ran: Ran) -> None:
    pairs = ran.pairs(defense="learned", **pgd("adaptive"))
    guard = ran.workspace.guard(ran.stage("guard", defense="learned"))
    catalog = ran.stage("catalog")
    ids, pixels = ran.workspace.catalog(catalog).ids, ran.workspace.pixels(catalog)
    rows = pairs["attack_row"]
    found = guard.score(pixels.floats(rows), [ids[row] for row in rows])
    assert np.allclose(found.numpy(), pairs["suspicion_before"], atol=1e-5)


def test_who_sees_no_pictures_is_the_same_behind_every_defense(ran: Ran) -> None:
    keys = {stage.key for stage in ran.stages("recommender", recommender="MostPop")}
    assert len(keys) == 1
    values = {
        (row["metric"], row["k"]): {
            r["value"] for r in ran.rows(recommender="MostPop", metric=row["metric"], k=row["k"])
        }
        for row in ran.rows(recommender="MostPop")
    }
    assert values
    assert all(len(found) == 1 for found in values.values())
    assert {row["defense"] for row in ran.rows(recommender="MostPop")} == {"none", "at", *GUARDS}


def test_pictures_are_kept_where_a_defense_faces_them_and_nowhere_else(ran: Ran) -> None:
    for stage in ran.stages("attack"):
        kept = (ran.workspace.folder(stage) / "images").is_dir()
        assert kept == (stage.tags["defense"] in ("none", "at"))


def test_filters_that_differ_in_what_is_refused_share_all_but_the_judgement(ran: Ran) -> None:
    for kind in ("filter", "guard"):
        assert ran.stage(kind, defense="learned").key == ran.stage(kind, defense="counted").key
    for knowledge in SEEING:
        ours, theirs = (
            ran.stage("attack", defense=name, **pgd(knowledge)) for name in ("learned", "counted")
        )
        assert ours.key != theirs.key


def test_the_ranking_of_a_recommender_changes_the_filter(ran: Ran, tmp_path: Path) -> None:
    plain = {"name": "learned", **LEARNED, "knowledge": "oblivious"}
    entry = guarded("none", plain, threats=THREATS[:1], attacks=ATTACKS[:1])
    other = run(entry, tmp_path, ran.folder / "store")
    ours, theirs = (one.workspace.guard(one.stage("guard", defense="learned")).filter for one in (ran, other))
    weights = [list(filter.network.state_dict().values()) for filter in (ours, theirs)]  # type: ignore[union-attr]
    assert any(not torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert ran.stage("filter", defense="learned").needs["recommender"].tags["recommender"] == "VBPR"
    assert "recommender" not in other.stage("filter", defense="learned").needs


def test_poisoned_rows_say_nothing_of_tries(ran: Ran) -> None:
    poisoned = ran.rows(threat="promotion (poisoned)", defense="learned", recommender="VBPR")
    told = {row["metric"] for row in poisoned}
    assert {"success_rate", "hit_rate", "nDCG", "prediction_shift"} <= told
    assert not any(name.endswith("_resubmitted") for name in told)
    fixed = ran.rows(threat="promotion", defense="learned", recommender="VBPR")
    assert {"hit_rate_resubmitted", "success_rate_resubmitted"} <= {row["metric"] for row in fixed}


def test_one_cell_one_row(ran: Ran) -> None:
    columns = [c for c in ran.results["rows"][0] if c not in ("value", "ci_low", "ci_high", "n")]
    cells = [tuple(row[c] for c in columns) for row in ran.results["rows"]]
    assert len(set(cells)) == len(cells)


def test_every_defense_is_compared_with_none_on_the_same_pairs(ran: Ran) -> None:
    found = {
        (r["defense"], r["knowledge"]) for r in ran.rows(metric="p_value_vs_none", threat="item_to_item")
    }
    assert {("learned", k) for k in SEEING} <= found
    assert ("same", "oblivious") in found
    assert ("at", None) in found


def test_the_resolved_recipe_computes_nothing_and_gives_the_same(ran: Ran, tmp_path: Path) -> None:
    found = run(ran.results["recipe"], tmp_path, ran.folder / "store").results
    assert all(stage["cached"] for stage in found["stages"])
    assert found["rows"] == ran.results["rows"]


def test_page_and_terminal_name_every_defense(ran: Ran) -> None:
    html = (ran.folder / "out" / "report.html").read_text("utf-8")
    assert all(name in html for name in GUARDS)
    assert report.terminal(ran.results)


def test_checks_look_at_no_attack_that_a_detector_thwarts(ran: Ran) -> None:
    knowing = [c["on"] for c in ran.results["checks"] if c["check"].startswith("knowing")]
    assert any("learned" in on for on in knowing)
    grown = [c for c in ran.results["checks"] if c["check"].startswith("success grows")]
    assert not any("oblivious" in c["on"] for c in grown)


def test_a_defense_may_stand_alone(tmp_path: Path) -> None:
    """`none` is not listed, and neither is what is known of nothing attacked by anyone but the adaptive."""
    alone = {"name": "jpeg", "filter": "jpeg", "knowledge": "adaptive", "tries": 1}
    found = run(guarded(alone, threats=THREATS[:1], attacks=ATTACKS[:1]), tmp_path)
    assert {row["defense"] for row in found.rows(threat="item_to_item")} == {"jpeg"}
    assert not found.rows(metric="success_rate_resubmitted")
    assert not list((found.folder / "store").glob("attack/*/images"))


def test_an_attack_may_leave_a_defense_out(tmp_path: Path) -> None:
    guard = {"name": "jpeg", "filter": "jpeg", "detector": SQUEEZED}
    attacks = [{"preset": "fgsm", "eps": 0.05, "defenses": "none"}]
    found = run(guarded("none", guard, threats=THREATS[:1], attacks=attacks), tmp_path)
    assert not found.rows(defense="jpeg", threat="item_to_item")
    assert found.rows(defense="jpeg", metric="nDCG", recommender="VBPR")
    assert found.rows(defense="jpeg", metric="detection_threshold")
    assert not list((found.folder / "store").glob("attack/*/images"))


def test_seeds_and_folds(tmp_path: Path) -> None:
    guard = {"name": "drawn", "filter": "resize_pad", "draws": 2, "tries": 2, "detector": SQUEEZED}
    recipe = guarded("none", guard, threats=THREATS[1:], attacks=ATTACKS[:1], seeds=[1, 2])
    folds = {"test_splitting": {"strategy": "random_cross_validation", "folds": 2}}
    recipe["experiment"]["splitting"] = folds
    found = run(recipe, tmp_path)
    for seed in (1, 2):
        assert found.rows(defense="drawn", metric="detection_threshold", seed=seed)
        rows = found.rows(defense="drawn", metric="nDCG", recommender="VBPR", k=5, seed=seed, threat=None)
        assert len(rows) == 1
        fitted = found.stages("recommender", defense="drawn", recommender="VBPR", seed=seed)
        assert len(fitted) == 2
        assert len({stage.needs["fitted"].key for stage in fitted}) == 2
    pictures = [
        found.pictures(defense="drawn", attack="fgsm (adaptive)", seed=s, threat="promotion") for s in (1, 2)
    ]
    assert not np.array_equal(*pictures)


def test_the_batch_size_changes_nothing_where_filters_draw(tmp_path: Path) -> None:
    guard = {
        "name": "drawn",
        "filter": "resize_pad",
        "draws": 3,
        "tries": 3,
        "detector": {**SQUEEZED, "fpr": 0.3},
    }
    found = []
    for size in (1, 5):
        recipe = guarded("none", guard, threats=THREATS[:1], attacks=ATTACKS[1:], batch_size=size)
        found.append(run(recipe, tmp_path / str(size), tmp_path / "store"))
    for knowledge in SEEING:
        one, many = (each.pairs(defense="drawn", **pgd(knowledge)) for each in found)
        assert one["gradient_evaluations"].tolist() == many["gradient_evaluations"].tolist()
        assert {2 * 3 * 3 if knowledge == "evading" else 2 * 3 if knowledge == "adaptive" else 2} == set(
            one["gradient_evaluations"].tolist()
        )
        for name in ("embedding_8bit", "suspicion_after_8bit", "loss", "cosine_after_resubmitted"):
            assert np.allclose(one[name], many[name], rtol=1e-3, atol=1e-3), (knowledge, name)
