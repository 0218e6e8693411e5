"""Plans with filters and detectors: what decides a stage, and what is refused before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from guarded import CONTRASTIVE, LEARNED, NETWORK, SQUEEZED, TRAINING, guarded
from safetensors.torch import save_file
from tiny_recipes import save

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import checking_guards
from elliot_advrec.experiment.noticing import about_threshold
from elliot_advrec.experiment.plan import Plan, make_plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.filters import FILTERS
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.recipe import load

ATTACKS: list[Any] = [{"preset": "pgd", "steps": 2, "eps": [0.05, 0.1]}]


def plan(folder: Path, *defenses: Any, **adversarial: Any) -> Plan:
    recipe = guarded(*defenses, **{"attacks": ATTACKS, **adversarial})
    folder.mkdir(exist_ok=True)
    return make_plan(load(save(recipe, folder / "recipe.yml")), "cpu")


def one(found: Plan, kind: str, **tags: Any) -> Stage:
    [stage] = {
        stage.key: stage
        for stage in found.stages
        if stage.kind == kind and all(stage.tags.get(k) == v for k, v in tags.items())
    }.values()
    return stage


def saved(path: Path, seed: int, **settings: Any) -> Path:
    kind = FILTERS.get("reconstruction")
    assert issubclass(kind, LearnedFilter)
    own = {k: v for k, v in NETWORK.items() if k != "preset"}
    kind(validate(kind.config_class, {**own, **settings}, "filter"), seed=seed).save(path)
    return path


def test_names_decide_nothing(tmp_path: Path) -> None:
    entry = {**LEARNED, "ranking": "VBPR"}
    ours = plan(tmp_path / "1", "none", {"name": "a", **entry})
    theirs = plan(tmp_path / "2", "none", {"name": "b", **entry})
    keys = [
        {s.key for s in found.stages if s.kind != "exhibits"} for found in (ours, theirs)
    ]  # they name cells
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("change", "filter", "guard", "attack"),
    [
        ({"tries": 4}, True, True, False),
        ({"refuse": False}, True, True, False),
        ({"evasion": [3]}, True, True, True),
        ({"detector": {**CONTRASTIVE, "fpr": 0.5}}, True, False, False),
        ({"detector": {**CONTRASTIVE, "threshold": 0.4}}, True, False, False),
        ({"filter": {**NETWORK, "resize_pad": True}}, True, False, False),
        ({"filter": {**NETWORK, "width": 8}}, False, False, False),
        ({"filter_training": {**TRAINING, "pgd_steps": 2}}, False, False, False),
        ({"ranking": "VBPR"}, False, False, False),
        ({"detector": {**CONTRASTIVE, "fpr": 0.3, "projection": 4}}, False, False, False),
    ],
)
def test_what_decides_a_stage(
    tmp_path: Path, change: dict[str, Any], filter: bool, guard: bool, attack: bool
) -> None:
    first = plan(tmp_path / "1", "none", {"name": "a", **LEARNED})
    other = plan(tmp_path / "2", "none", {"name": "a", **LEARNED, **change})
    where = {"attack": "pgd (adaptive)", "eps": 0.1, "threat": "item_to_item"}
    for kind, same, tags in (("filter", filter, {}), ("guard", guard, {}), ("attack", attack, where)):
        keys = [one(found, kind, defense="a", **tags).key for found in (first, other)]
        assert (keys[0] == keys[1]) == same, kind
    undefended = [one(f, "attack", defense="none", attack="pgd", eps=0.1).key for f in (first, other)]
    assert undefended[0] == undefended[1]


def test_weights_count_by_what_they_hold(tmp_path: Path) -> None:
    def key(path: Path) -> str:
        entry = {"name": "a", **LEARNED, "filter": {**NETWORK, "weights": str(path)}}
        return one(plan(tmp_path / "plan", "none", entry), "filter", defense="a").key

    path = saved(tmp_path / "one.safetensors", 1)
    first = key(path)
    moved = tmp_path / "two.safetensors"
    shutil.copy(path, moved)
    assert key(moved) == first
    saved(path, 2)
    assert key(path) != first


def test_a_guard_changes_the_attack_below_only_by_its_pictures(tmp_path: Path) -> None:
    """Of a run without the defense, all but the undefended attacks are found in the store again."""
    bare = {stage.key for stage in plan(tmp_path / "1", "none").stages}
    with_guard = plan(tmp_path / "2", "none", {"name": "a", "filter": "jpeg"})
    without = {
        stage.kind
        for stage in with_guard.stages
        if stage.tags.get("defense") == "none" and stage.key not in bare
    }
    assert without == {"attack", "rerank", "exhibits"}
    adaptive = plan(tmp_path / "3", "none", {"name": "a", "filter": "jpeg", "knowledge": "adaptive"})
    assert bare <= {stage.key for stage in adaptive.stages}


def test_gradients_are_counted_by_draws_and_weights(tmp_path: Path) -> None:
    drawn = {"name": "a", "filter": "resize_pad", "draws": 7, "detector": SQUEEZED, "evasion": [1, 2, 3]}
    found = plan(tmp_path, "none", drawn)
    where = {"defense": "a", "eps": 0.1, "threat": "item_to_item"}
    counts = {
        knowledge: found.gradients(one(found, "attack", attack=f"pgd ({knowledge})", **where))
        for knowledge in ("oblivious", "adaptive", "evading")
    }
    assert counts == {"oblivious": 0, "adaptive": 5 * 2 * 7, "evading": 5 * 2 * 7 * 3}


def test_a_filters_adversary_is_counted_by_stage(tmp_path: Path) -> None:
    stages = [
        {"epochs": 2, "attacks": ["fgsm", "pgd"]},  # clean, FGSM and PGD-3 in equal shares
        {"epochs": 1, "learns": ["detector"]},  # each clean and under FGSM
    ]
    training = {**TRAINING, "stages": stages, "pgd_steps": 3}
    found = plan(tmp_path, "none", {"name": "a", **LEARNED, "filter_training": training})
    stage = one(found, "filter", defense="a")
    assert stage.gradients_per_picture == pytest.approx(2 * (1 + 3) / 3 + 1)


def refused(folder: Path, *defenses: Any, **adversarial: Any) -> str:
    with pytest.raises(UserError) as caught:
        plan(folder, *defenses, **adversarial)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{folder / 'recipe.yml'}:")
    return said


def test_weights_of_another_architecture_are_refused_with_their_place(tmp_path: Path) -> None:
    wide = saved(tmp_path / "wide.safetensors", 1, width=8)
    said = refused(tmp_path, "none", {"name": "a", **LEARNED, "filter": {**NETWORK, "weights": str(wide)}})
    assert "defenses[1].filter" in said
    assert str(wide) in said
    plain = tmp_path / "plain.safetensors"
    save_file({"nothing": torch.zeros(1)}, plain)
    said = refused(tmp_path, "none", {"name": "a", **LEARNED, "filter": {**NETWORK, "weights": str(plain)}})
    assert "is not a saved filter" in said
    entry = {"name": "a", **LEARNED, "detector": {**CONTRASTIVE, "encoder_weights": str(wide), "fpr": 0.3}}
    assert "defenses[1].detector" in refused(tmp_path, "none", entry)


def test_networks_and_stages_that_are_not_there_are_refused(tmp_path: Path) -> None:
    entry = {"name": "a", **LEARNED, "detector": {**CONTRASTIVE, "encoder": "resnet5000", "fpr": 0.3}}
    said = refused(tmp_path, "none", entry)
    assert "defenses[1].detector" in said
    assert "unknown backbone 'resnet5000'" in said
    entry = {"name": "a", **LEARNED, "filter_training": {**TRAINING, "perceptual_stages": [2, 9]}}
    said = refused(tmp_path, "none", entry)
    assert "the backbone 'test_efficientnet' has no stage 9" in said
    assert "stages from 0 to" in said
    nothing = {**TRAINING, "perceptual_stages": [9], "perceptual_weight": 0}
    plan(tmp_path, "none", {"name": "a", **LEARNED, "filter_training": nothing})


def test_a_backbone_without_feature_maps_needs_no_perceptual_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking_guards.timm, "create_model", lambda *a, **k: torch.nn.Identity())
    said = refused(tmp_path, "none", {"name": "a", **LEARNED})
    assert "gives no feature maps; write filter_training: {perceptual_stages: []}" in said

    def unbuildable(*given: Any, **settings: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(checking_guards.timm, "create_model", unbuildable)
    plan(tmp_path, "none", {"name": "a", **LEARNED})  # training looks again


def test_too_few_validation_pictures_are_refused_with_or_without_attacks(tmp_path: Path) -> None:
    entry = {"name": "a", "detector": {"preset": "squeezing", "fpr": 0.1}}
    for missing in ({}, {"threats": None, "attacks": None}):
        recipe = guarded("none", entry, **{"attacks": ATTACKS, **missing})
        path = save(recipe, tmp_path / "recipe.yml")
        with pytest.raises(
            UserError, match=r"a false-positive rate of 0\.1 allows none of 4 validation pictures"
        ):
            make_plan(load(path), "cpu")


@pytest.mark.parametrize(
    ("threshold", "words"), [(-1.0, "every picture"), (9.0, "no picture"), (0.5, None), (0.1, None)]
)
def test_a_threshold_that_tells_nothing_apart_is_said(threshold: float, words: str | None) -> None:
    scores = {"clean": [np.array([0.0, 0.2])], "attacked": [np.array([0.9]), np.array([0.4])]}
    said = about_threshold("a", threshold, scores)
    if words is None:
        assert said == []
    else:
        assert len(said) == 1
        assert f"flags {words}, attacked or not" in said[0]
        assert "scores lie between 0 and 0.9" in said[0]
    assert about_threshold("a", threshold, {"clean": [], "attacked": []}) == []


@pytest.mark.parametrize(
    ("entry", "kept"), [({"filter": "resize_pad", "draws": 2}, "last"), ({"filter": "median"}, "best")]
)
def test_through_draws_those_who_know_keep_the_last_picture(
    tmp_path: Path, entry: dict[str, Any], kept: str
) -> None:
    found = plan(tmp_path, "none", {"name": "a", **entry})
    for stage in (s for s in found.stages if s.kind == "attack"):
        expected = kept if stage.tags.get("knowledge") == "adaptive" else "best"
        if "attack" not in stage.needs:  # pictures that are taken over were attacked elsewhere
            assert stage.parts["attack"].config.keep == stage.settings["config"]["keep"] == expected


def test_pictures_that_the_store_will_keep_are_added_up_in_advance(tmp_path: Path) -> None:
    store, filtered = Store(tmp_path / "store"), {"name": "a", "filter": "jpeg"}
    faced = plan(tmp_path / "a", "none", filtered)
    pairs = one(faced, "attack", eps=0.05, defense="none").parts["pairs"]
    side = one(faced, "catalog").parts["size"]
    assert faced.pictures_missing(store) == 2 * pairs * 3 * side * side > 0
    aware = plan(tmp_path / "b", "none", {**filtered, "knowledge": ["adaptive"]})
    assert aware.pictures_missing(store) == 0  # nothing is handed on
    assert plan(tmp_path / "c", "none").pictures_missing(store) == 0
