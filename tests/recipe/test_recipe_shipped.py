"""The recipes and presets that come with the package, and the JSON Schema."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from elliot_advrec import resources
from elliot_advrec.attacks import ATTACKS
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.detectors import DETECTORS
from elliot_advrec.errors import UserError
from elliot_advrec.filters import FILTERS
from elliot_advrec.recipe import load, presets, recipe_path, recipes, schema
from elliot_advrec.recipe.shipped import FOLDERS

NAMES = [name for name, _ in recipes()]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def shipped(name: str) -> Path:
    path = recipe_path(name)
    assert path is not None
    return path


def test_the_three_recipes_are_there() -> None:
    assert {"quickstart", "clothing_at", "deepfashion_at"} <= set(NAMES)
    assert recipe_path("nothing") is None


@pytest.mark.parametrize("overlay", [None, "small"])
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_loads(name: str, overlay: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/data")
    recipe = load(shipped(name), overlay=overlay)
    assert recipe.adversarial.defenses[0].kind == "none"
    assert recipe.adversarial.attacks


@pytest.mark.parametrize("overlay", [None, "small", "synthetic", "tiny"])
@pytest.mark.parametrize("name", NAMES)
def test_a_resolved_recipe_is_a_recipe(
    name: str, overlay: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/data")
    resolved = load(shipped(name), overlay=overlay).resolved()
    again = tmp_path / "again.yml"
    again.write_text(yaml.safe_dump(resolved))
    assert load(again).resolved() == resolved


@pytest.mark.parametrize("name", ["quickstart", "clothing_at", "clothing_at_full", "deepfashion_at"])
def test_the_item_to_item_study_is_the_whole_matrix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/data")
    ours = load(shipped(name)).adversarial
    assert {d.kind for d in ours.defenses} == {"none", "adversarial_training", "curriculum"}
    assert {a.kind for a in ours.attacks} == {"fgsm", "pgd", "cw"}


def test_the_quickstart_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELLIOT_ADVREC_DATA", raising=False)
    assert load(shipped("quickstart")).adversarial.extractor.weights == "none"


def test_the_deepfashion_recipe_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELLIOT_ADVREC_DATA", raising=False)
    with pytest.raises(UserError, match="ELLIOT_ADVREC_DATA is not set"):
        load(shipped("deepfashion_at"))
    ours = load(shipped("deepfashion_at"), ["catalog.root=/fashion"]).adversarial
    assert (os.fspath(ours.catalog.config.root), ours.size) == ("/fashion", 224)
    training = ours.extractor.training
    assert (training.epochs, training.batch_size, training.lr, training.optimizer) == (24, 32, 1e-3, "adam")
    assert (ours.extractor.backbone, ours.extractor.weights) == ("mobilenetv2_100", "imagenet")
    assert (ours.threats[0].config.pairs, ours.threats[0].config.rank_min) == (10_000, (1, 3, 10, 100))
    assert [a.steps for a in ours.attacks if a.kind == "pgd"] == [8, 16, 32, 64, 128]
    assert all(
        a.config.step_rule == "constant" and a.config.random_start for a in ours.attacks if a.kind == "pgd"
    )
    cw = next(a for a in ours.attacks if a.kind == "cw")
    assert (cw.pairs, cw.steps, cw.config.learning_rate) == (1000, 1000, 0.005)
    for attack in ours.attacks:
        assert [b.eps for b in attack.budgets] == [0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.3]
        assert attack.budgets[0].norm == "linf"
    for defense in ours.defenses[1:]:
        assert (defense.config.steps, defense.config.eps, defense.config.training.epochs) == (8, 0.03, 24)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_fits_the_schema(name: str, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(shipped(name).read_text("utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_a_resolved_recipe_fits_the_schema(
    name: str, validator: jsonschema.Draft202012Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/data")
    validator.validate(load(shipped(name)).resolved())


def quickstart() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(shipped("quickstart").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("topk",), 3),
        (("top_k",), "many"),
        (("binarize",), "perhaps"),
        (("config_test",), True),
        (("prefiltering",), {"strategy": "user_k_core", "cores": 5}),
        (("models", "UserKNN"), {}),
        (("models", "RecommendationFolder"), {"folders": "x"}),
        (("models", "external.ContentKNN"), {"neighbours": 3}),
        (("evaluation",), {"simple_metrics": ["nDGC"]}),
        (("adversarial", "attacks"), []),
        (("adversarial",), {"threats": ["item_to_item"], "attacks": [{"preset": "fgsm", "eps": 0.03}]}),
        (("adversarial", "attacks"), [{"preset": "pdg", "eps": 0.03}]),
        (("adversarial", "attacks"), [{"preset": "pgd", "eps": 0}]),
        (("adversarial", "attacks"), [{"preset": "pgd", "eps": "8/"}]),
        (("adversarial", "attacks"), [{"preset": "fgsm", "eps": 0.03, "restarts": 2}]),
        (("adversarial", "attacks"), [{"eps": 0.03}]),
        (("adversarial", "defenses"), ["att"]),
        (("adversarial", "catalog"), {"source": "synthetic", "images": "x"}),
        (("adversarial", "extractor"), {"preset": "mobilnet"}),
        (("adversarial", "precision"), "bf8"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(
    path: tuple[str, ...], value: object, validator: jsonschema.Draft202012Validator, tmp_path: Path
) -> None:
    recipe = quickstart()
    place = recipe["experiment"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not validator.is_valid(recipe)
    written = tmp_path / "recipe.yml"
    written.write_text(yaml.safe_dump(recipe), "utf-8")
    with pytest.raises(UserError):
        load(written)


@pytest.mark.parametrize(
    "attack",
    [
        {"type": "pgd", "eps": "8/255", "steps": [8, 16]},
        {"name": "pgd", "eps": [0.01, "2/255"]},
        {"preset": "cw_l2", "eps": 2},
    ],
)
def test_the_schema_takes_what_the_loader_takes(
    attack: dict[str, Any], validator: jsonschema.Draft202012Validator, tmp_path: Path
) -> None:
    recipe = quickstart()
    recipe["experiment"]["adversarial"]["attacks"] = [attack]
    validator.validate(recipe)
    written = tmp_path / "recipe.yml"
    written.write_text(yaml.safe_dump(recipe), "utf-8")
    assert load(written).adversarial.attacks


def test_the_schema_explains_every_setting_of_an_attack() -> None:
    attacks = schema()["properties"]["experiment"]["properties"]["adversarial"]["properties"]["attacks"]
    entries = [branch for branch in attacks["anyOf"][0]["anyOf"] if "properties" in branch]
    assert len(entries) == len(ATTACKS.names())
    pgd = next(e for e in entries if e["properties"]["type"] == {"const": "pgd"})
    assert pgd["description"] == ATTACKS.get("pgd").summary()
    assert "description" in pgd["properties"]["step_rule"]
    assert {"pgd", "pgd_cosine"} <= set(pgd["properties"]["preset"]["enum"])


def test_a_preset_beside_a_recipe_is_in_its_schema(tmp_path: Path) -> None:
    (tmp_path / "configs" / "attacks").mkdir(parents=True)
    (tmp_path / "configs" / "attacks" / "mine.yml").write_text("# my own\ntype: fgsm\n")
    recipe = quickstart()
    recipe["experiment"]["adversarial"]["attacks"] = [{"preset": "mine", "eps": 0.03}]
    assert jsonschema.Draft202012Validator(schema(tmp_path)).is_valid(recipe)
    assert not jsonschema.Draft202012Validator(schema()).is_valid(recipe)
    assert ("mine", "my own") in presets("attacks", tmp_path)


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_preset_has_a_summary(kind: str) -> None:
    found = presets(kind)
    assert found
    assert all(summary for _, summary in found)


def test_presets_name_registered_components() -> None:
    kinds = {"attacks": ATTACKS, "defenses": DEFENSES, "filters": FILTERS, "detectors": DETECTORS}
    for kind, registry in kinds.items():
        for name, _ in presets(kind):
            text = yaml.safe_load((resources.folder("configs") / kind / f"{name}.yml").read_text("utf-8"))
            if "type" in text:
                assert text["type"] in registry.names()
            else:
                assert kind == "defenses"
                assert {"filter", "detector"} & set(text)


def test_unknown_kinds_and_folders_are_named() -> None:
    with pytest.raises(UserError, match=r"there are no presets of 'attack'; did you mean 'attacks'\?"):
        presets("attack")
    with pytest.raises(FileNotFoundError, match="'nothing'; install it again"):
        resources.folder("nothing")
