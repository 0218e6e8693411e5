"""The plan: which stages a recipe has, and which settings make which of them anew."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_recipes import matrix, save, small

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Plan, Store, make_plan, sums
from elliot_advrec.files import sha256
from elliot_advrec.recipe import load

ALL = {
    "catalog",
    "interactions",
    "extractor",
    "embeddings",
    "accuracy",
    "recommender",
    "probe",
    "attack",
    "rerank",
    "exhibits",
}
ATTACKED = {"attack", "rerank", "exhibits"}
OF_EXTRACTOR = ALL - {"catalog", "interactions"}


def planned(recipe: dict[str, Any], folder: Path, device: str = "cpu") -> Plan:
    return make_plan(load(save(recipe, folder / "recipe.yml")), device)


def keys(plan: Plan) -> dict[str, set[str]]:
    """Kind -> the keys of its stages."""
    found: dict[str, set[str]] = {}
    for stage in plan.stages:
        found.setdefault(stage.kind, set()).add(stage.key)
    return found


def test_the_matrix_has_every_stage_once_and_in_order(tmp_path: Path) -> None:
    plan = planned(matrix(), tmp_path)
    # MostPop sees no image, so the three defenses share its one fit.
    assert Counter(stage.kind for stage in plan.unique()) == {
        "catalog": 1,
        "interactions": 1,
        "extractor": 3,
        "embeddings": 3,
        "accuracy": 3,
        "recommender": 4,
        "probe": 3,
        "attack": 12,
        "rerank": 12,
        "exhibits": 3,
    }
    assert plan.cells == 12
    seen: set[str] = set()
    for stage in plan.stages:
        assert {needed.key for needed in stage.needs.values()} <= seen, f"{stage.label} comes too early"
        seen.add(stage.key)


def test_the_same_recipe_has_the_same_keys_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert keys(planned(matrix(), tmp_path)) == keys(planned(matrix(), tmp_path / "other"))


def setting(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(recipe: dict[str, Any]) -> None:
        place: Any = recipe["experiment"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


A = "adversarial"
CHANGES = [
    pytest.param(setting(A, "catalog", "items", to=44), ALL, id="items"),
    pytest.param(setting(A, "catalog", "size", to=48), ALL, id="size"),
    pytest.param(setting(A, "strict", to=True), ALL, id="strict"),
    pytest.param(setting("random_seed", to=7), {"interactions", "recommender", "rerank"}, id="split seed"),
    pytest.param(setting("evaluation", "cutoffs", to=[5]), {"recommender", "rerank"}, id="cutoffs"),
    pytest.param(
        setting("models", "external.ContentKNN", "neighbors", to=6),
        {"recommender", "rerank"},
        id="neighbours",
    ),
    pytest.param(setting(A, "extractor", "training", "epochs", to=3), OF_EXTRACTOR, id="epochs"),
    pytest.param(setting(A, "extractor", "backbone", to="test_resnet"), OF_EXTRACTOR, id="backbone"),
    pytest.param(setting(A, "seeds", to=[2]), OF_EXTRACTOR, id="seed"),
    pytest.param(setting(A, "precision", to="bf16"), {"probe", *ATTACKED}, id="precision"),
    pytest.param(setting(A, "attacks", 0, "eps", to=0.06), ATTACKED, id="eps"),
    pytest.param(setting(A, "threats", 0, "pairs", to=4), ATTACKED, id="pairs"),
    pytest.param(setting(A, "threats", 0, "rank_min", to=[1, 10]), set(), id="rank_min"),
    pytest.param(setting(A, "threats", 0, "name", to="swap"), {"exhibits"}, id="threat name"),
    pytest.param(setting("dataset", to="other"), set(), id="dataset name"),
    pytest.param(setting(A, "workers", to=2), set(), id="workers"),
]


@pytest.mark.parametrize(("change", "anew"), CHANGES)
def test_a_setting_makes_anew_what_it_decides_and_nothing_else(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], anew: set[str]
) -> None:
    recipe = small()
    before = keys(planned(recipe, tmp_path))
    changed = copy.deepcopy(recipe)
    change(changed)
    after = keys(planned(changed, tmp_path))
    assert {kind for kind in before if before[kind] != after[kind]} == anew


def test_a_defense_has_an_extractor_of_its_own_and_leaves_the_clean_one(tmp_path: Path) -> None:
    plain, defended = planned(small(), tmp_path), planned(small(defenses=["none", "at"]), tmp_path)
    assert keys(plain)["extractor"] < keys(defended)["extractor"]
    at = next(s for s in defended.stages if s.kind == "extractor" and s.parts["defense"] is not None)
    assert at.needs["clean"].key in keys(plain)["extractor"]


def test_the_precision_of_adversaries_decides_defended_extractors_and_no_clean_one(tmp_path: Path) -> None:
    def extractors(precision: str) -> dict[bool, str]:
        stages = planned(small(defenses=["none", "at"], precision=precision), tmp_path).stages
        return {s.parts["defense"] is not None: s.key for s in stages if s.kind == "extractor"}

    exact, coarse = extractors("float32"), extractors("bf16")
    assert exact[False] == coarse[False]
    assert exact[True] != coarse[True]


def test_an_attack_under_two_names_is_run_once_and_reported_twice(tmp_path: Path) -> None:
    twice = [{"preset": "fgsm", "eps": 0.05}, {"preset": "fgsm", "name": "one step", "eps": 0.05}]
    plan = planned(small(attacks=twice), tmp_path)
    attacks = [stage for stage in plan.stages if stage.kind == "attack"]
    assert [stage.tags["attack"] for stage in attacks] == ["fgsm", "one step"]
    assert len({stage.key for stage in attacks}) == 1
    assert sum(stage.kind == "attack" for stage in plan.unique()) == 1


def test_the_gpu_and_the_cpu_do_not_share_results(tmp_path: Path) -> None:
    cpu, cuda = keys(planned(small(), tmp_path)), keys(planned(small(), tmp_path, "cuda"))
    assert {kind for kind in cpu if cpu[kind] != cuda[kind]} == OF_EXTRACTOR


def test_weights_count_by_their_content(tmp_path: Path) -> None:
    recipe = small(extractor={"backbone": "test_efficientnet", "weights": "w.pth"})
    (tmp_path / "w.pth").write_bytes(b"one")
    before = keys(planned(recipe, tmp_path))
    (tmp_path / "w.pth").write_bytes(b"two")
    after = keys(planned(recipe, tmp_path))
    assert {kind for kind in before if before[kind] != after[kind]} == OF_EXTRACTOR


def test_weights_are_read_once_for_all_seeds_and_defenses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(sums, "sha256", counted)
    weights = {"backbone": "test_efficientnet", "weights": "w.pth"}
    (tmp_path / "w.pth").write_bytes(b"once")
    planned(small(extractor=weights, defenses=["none", "at"], seeds=[1, 2]), tmp_path)
    assert [path.name for path in read] == ["w.pth"]


def test_gradient_evaluations_are_added_up_in_advance(tmp_path: Path) -> None:
    plan = planned(small(attacks=[{"preset": "pgd", "steps": 3, "eps": [0.03, 0.05]}]), tmp_path)
    accuracy = 8 * 8  # PGD-8 on the 8 test pictures
    probe = 8 * (32 + 2 * 4 + 1)  # on 8 pairs: without bounds, in a batch and alone, and the first one
    assert plan.gradients_missing(Store(tmp_path / "store")) == 2 * 3 * 5 + accuracy + probe
    at = small(defenses=[{"preset": "at", "steps": 2, "training": {"epochs": 3}}])
    # 28 of 40 pictures train; FGSM takes one gradient for each of the 5 pairs.
    assert (
        planned(at, tmp_path).gradients_missing(Store(tmp_path / "store"))
        == 28 * 2 * 3 + 5 + accuracy + probe
    )


def test_attacks_may_be_kept_from_some_defenses(tmp_path: Path) -> None:
    attacks = [{"preset": "fgsm", "eps": 0.05}, {"preset": "pgd", "steps": 2, "eps": 0.05, "defenses": "at"}]
    plan = planned(small(defenses=["none", "at"], attacks=attacks), tmp_path)
    met = {(s.tags["attack"], s.tags["defense"]) for s in plan.stages if s.kind == "attack"}
    assert met == {("fgsm", "none"), ("fgsm", "at"), ("pgd", "at")}


def test_a_threat_without_a_recommender_that_sees_images_is_refused(tmp_path: Path) -> None:
    recipe = small()
    recipe["experiment"]["models"] = {"external.MostPop": {}}
    with pytest.raises(UserError, match=r"\(MostPop: it does not use images\); add external.ContentKNN"):
        planned(recipe, tmp_path)


def test_training_and_accuracy_count_the_pictures_of_their_splits(tmp_path: Path) -> None:
    plan = planned(matrix(), tmp_path)
    counted = {stage.label: plan.gradients(stage) for stage in plan.unique()}
    train, test = 28, 8  # 40 drawn items: 70 % and 20 %
    assert counted["extractor, seed 1"] == 0
    assert counted["extractor with at, seed 1"] == train * 2
    # Two epochs of strengths 0 to 2: a third of the training each, and half the strength on average.
    assert counted["extractor with cat, seed 1"] == train
    assert counted["accuracy of none, seed 1"] == test * 8


def test_an_unknown_backbone_is_refused_before_anything_runs(tmp_path: Path) -> None:
    recipe = small(extractor={"backbone": "mobilenetv2_10"})
    with pytest.raises(
        UserError, match=r"extractor.backbone: unknown backbone 'mobilenetv2_10'; did you mean"
    ):
        planned(recipe, tmp_path)


@pytest.mark.parametrize("pairs", [None, 3, 1000])
def test_a_category_attack_counts_the_items_of_a_category(tmp_path: Path, pairs: int | None) -> None:
    recipe = small(
        threats=[{"preset": "category", "min_items": 1, "pairs": pairs}],
        attacks=[{"preset": "pgd", "steps": 4, "eps": 0.05}, {"preset": "fgsm", "eps": 0.05, "pairs": 2}],
    )
    plan = planned(recipe, tmp_path)
    labels = next(s for s in plan.stages if s.kind == "catalog").parts["source"].catalog().category
    largest = int(np.bincount(labels[labels >= 0]).max())
    assert largest < len(labels)
    counted = {s.tags["attack"]: plan.gradients(s) for s in plan.stages if s.kind == "attack"}
    assert counted["pgd"] == 4 * min(pairs or largest, largest)
    assert counted["fgsm"] == 2


@pytest.mark.parametrize(
    ("threat", "message"),
    [
        (
            {"preset": "category", "source": "dres"},
            "source: unknown category 'dres'; did you mean 'dress'",
        ),
        ({"preset": "category", "target": "gown"}, "target: unknown category 'gown'; known: "),
        (
            {"preset": "item_to_item", "pairs": 2000},
            "pairs: 2000 pairs .* 40 items; ask for at most 1560",
        ),
        ({"preset": "promotion", "k": [5, 40]}, "k: a list of 40 holds all of the 40 items"),
        ({"preset": "promotion", "users": "population", "k": [5]}, "mock_users: 200 mock users need 201"),
        ({"preset": "cold_start", "k": [500]}, "k: a list of 500 holds all of the 40 items"),
    ],
    ids=["source", "target", "pairs", "k", "mock users", "cold k"],
)
def test_what_the_catalog_cannot_give_is_refused_before_anything_runs(
    tmp_path: Path, threat: dict[str, Any], message: str
) -> None:
    recipe = small(threats=[{"preset": "item_to_item", "pairs": 5}, {"name": "second", **threat}])
    recipe["experiment"]["models"]["external.VBPR"] = {}
    with pytest.raises(
        UserError, match=rf"recipe\.yml:\d+: experiment\.adversarial\.threats\[1\]: {message}"
    ):
        planned(recipe, tmp_path)
