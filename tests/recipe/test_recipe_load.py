"""What a good recipe loads to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from elliot_advrec.attacks import Budget
from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load

Write = Callable[..., Path]


def test_a_recipe_has_names_kinds_and_validated_settings(write: Write) -> None:
    recipe = load(write())
    ours = recipe.adversarial
    assert (recipe.name, recipe.experiment.top_k, recipe.experiment.evaluation.cutoffs) == ("tiny", 10, (10,))
    assert [(m.name, m.kind, m.key, m.config.neighbors) for m in recipe.models] == [
        ("ContentKNN", "ContentKNN", "external.ContentKNN", 5)
    ]
    assert recipe.models[0].uses_images
    assert (ours.catalog.kind, ours.catalog.config.items, ours.size) == ("synthetic", 40, 32)
    assert ours.extractor.training.epochs == 2
    assert [(d.name, d.kind) for d in ours.defenses] == [("none", "none"), ("at", "adversarial_training")]
    assert [(t.name, t.kind, t.config.pairs) for t in ours.threats] == [("item_to_item", "item_to_item", 6)]
    assert [(a.name, a.kind, a.steps) for a in ours.attacks] == [("fgsm", "fgsm", None), ("pgd", "pgd", 4)]
    assert ours.attacks[1].budgets == (Budget("linf", 2 / 255), Budget("linf", 8 / 255))


def test_defaults_are_those_of_the_contract(write: Write) -> None:
    recipe = load(write(("    defenses: [none, at]\n", "")))
    ours = recipe.adversarial
    assert [d.kind for d in ours.defenses] == ["none"]
    assert (ours.seeds, ours.device, ours.precision, ours.batch_size, ours.strict) == (
        (1,),
        "auto",
        "float32",
        32,
        False,
    )
    assert recipe.experiment.random_seed == 42
    assert recipe.experiment.splitting.test_splitting.leave_n_out == 1
    assert recipe.experiment.evaluation.simple_metrics == ("nDCG", "HR")
    assert all(a.pairs is None and a.defenses is None for a in ours.attacks)


def test_a_list_of_steps_becomes_one_attack_a_value(write: Write) -> None:
    recipe = load(write(("steps: 4,", "steps: [8, 16, 32], pairs: 3, defenses: [at],")))
    found = [(a.name, a.steps, a.pairs, a.defenses) for a in recipe.adversarial.attacks]
    assert found[1:] == [("pgd", steps, 3, ("at",)) for steps in (8, 16, 32)]


def test_the_same_attack_twice_needs_two_names(write: Write) -> None:
    second = "{preset: fgsm, eps: 0.03}\n      - {preset: fgsm, name: strong, eps: 0.1}"
    recipe = load(write(("{preset: fgsm, eps: 0.03}", second)))
    assert [a.name for a in recipe.adversarial.attacks] == ["fgsm", "strong", "pgd"]


def test_a_type_takes_the_components_defaults_a_preset_the_papers(write: Write) -> None:
    text = "preset: pgd, steps: 4,"
    preset = load(write((text, "preset: pgd_cosine,"))).adversarial.attacks[1]
    direct = load(write((text, "type: pgd,"))).adversarial.attacks[1]
    assert (preset.name, preset.kind, preset.config.step_rule) == ("pgd_cosine", "pgd", "cosine")
    assert (direct.name, direct.config) == ("pgd", type(direct.config)())


def test_the_name_alone_names_the_component(write: Write) -> None:
    recipe = load(write(("preset: item_to_item,", "name: item_to_item,")))
    assert recipe.adversarial.threats[0].kind == "item_to_item"


def test_a_preset_beside_the_recipe_goes_before_the_packaged_one(write: Write, tmp_path: Path) -> None:
    own = tmp_path / "configs" / "attacks"
    own.mkdir(parents=True)
    (own / "pgd.yml").write_text("# mine\ntype: pgd\nrestarts: 3\n")
    config = load(write()).adversarial.attacks[1].config
    assert (config.restarts, config.steps) == (3, 4)


def test_settings_below_a_key_are_merged_not_replaced(write: Write) -> None:
    extractor = "    extractor:\n      preset: mobilenetv2_imagenet\n      training: {epochs: 2}"
    recipe = load(write(("    extractor:\n      training: {epochs: 2}", extractor)))
    training = recipe.adversarial.extractor.training
    assert recipe.adversarial.extractor.weights == "imagenet"
    assert (training.epochs, training.batch_size, training.optimizer) == (2, 32, "adam")


def test_defense_settings_take_fractions_too(write: Write) -> None:
    recipe = load(write(("[none, at]", "[none, {preset: at, eps: 4/255}]")))
    assert recipe.adversarial.defenses[1].config.eps == pytest.approx(4 / 255)


def test_the_resolved_recipe_is_json_and_loads_to_itself(write: Write, tmp_path: Path) -> None:
    recipe = load(write(("steps: 4,", "steps: [4, 8],")), ["attacks.fgsm.name=fast", "seeds=[3, 4]"])
    again = tmp_path / "again.yml"
    again.write_text(json.dumps(recipe.resolved()), "utf-8")
    loaded = load(again)
    assert loaded.resolved() == recipe.resolved()
    assert loaded.adversarial == recipe.adversarial
    assert recipe.resolved()["experiment"]["adversarial"]["extractor"]["training"]["lr"] == 0.001


# Paths and variables


def test_paths_are_taken_from_the_recipes_folder(write: Write, tmp_path: Path) -> None:
    folder = ("source: synthetic\n      items: 40\n      users: 10", "source: folder\n      images: ./photos")
    recipe = load(write(folder))
    assert recipe.adversarial.catalog.config.images == tmp_path / "photos"
    assert recipe.folder == tmp_path


def test_absolute_paths_and_the_home_folder_stay(write: Write, tmp_path: Path) -> None:
    old = "source: synthetic\n      items: 40\n      users: 10"
    assert load(
        write((old, "source: folder\n      images: /photos"))
    ).adversarial.catalog.config.images == Path("/photos")
    home = load(write((old, "source: folder\n      images: ~/photos"))).adversarial.catalog.config.images
    assert home == Path.home() / "photos"


def test_variables_are_filled_in(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVREC_TEST", "/data")
    old = "source: synthetic\n      items: 40\n      users: 10"
    recipe = load(write((old, 'source: folder\n      images: "${ADVREC_TEST}/photos"')))
    assert recipe.adversarial.catalog.config.images == Path("/data/photos")


def test_a_variable_that_is_overridden_need_not_be_set(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELLIOT_ADVREC_DATA", raising=False)
    old = "catalog:\n      source: synthetic\n      items: 40\n      users: 10\n      size: 32"
    path = write((old, "catalog: clothing_small"))
    with pytest.raises(UserError, match=r"ELLIOT_ADVREC_DATA is not set; set it \(export ELLIOT_ADVREC_DATA"):
        load(path)
    assert load(path, ["catalog.images=/x"]).adversarial.catalog.config.images == Path("/x")


def test_weights_in_a_file_are_found_beside_the_recipe(write: Write, tmp_path: Path) -> None:
    for text, expected in (
        ("imagenet", "imagenet"),
        ("w.safetensors", os.fspath(tmp_path / "w.safetensors")),
    ):
        recipe = load(write(("training: {epochs: 2}", f"weights: {text}")))
        assert recipe.adversarial.extractor.weights == expected


def test_the_data_name_fills_elliots_braces(write: Write, tmp_path: Path) -> None:
    (tmp_path / "tiny.tsv").write_text("u\ti\t1\t1\n")
    config = "  top_k: 10\n  data_config: {strategy: dataset, dataset_path: './{0}.tsv'}\n"
    recipe = load(write(("  top_k: 10\n", config)))
    assert recipe.experiment.data_config is not None
    assert recipe.experiment.data_config.files() == [tmp_path / "tiny.tsv"]
    assert recipe.experiment.data_config.fixed() is None


def test_a_ready_split_needs_no_splitting(write: Write, tmp_path: Path) -> None:
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_text("u\ti\t1\t1\n")
    fixed = "  top_k: 10\n  data_config: {strategy: fixed, train_path: a.tsv, test_path: b.tsv}\n"
    path = write(("  top_k: 10\n", fixed))
    data = load(path).experiment.data_config
    assert data is not None
    files = data.fixed()
    assert files is not None
    assert (files.train_path, files.validation_path, files.test_path) == (
        tmp_path / "a.tsv",
        None,
        tmp_path / "b.tsv",
    )
    assert "splitting" not in load(path).resolved()["experiment"]
    with pytest.raises(UserError, match="brings its own split"):
        load(path, ["splitting.test_splitting={strategy: random_subsampling, test_ratio: 0.2}"])


# Devices


@pytest.mark.parametrize(
    ("overrides", "device"),
    [
        (["gpu=-1"], "cpu"),
        (["gpu=2"], "cuda:2"),
        (["gpu=2", "device=cpu"], "cpu"),
        (["device='cuda:1'"], "cuda:1"),
    ],
)
def test_elliots_gpu_decides_where_device_does_not(write: Write, overrides: list[str], device: str) -> None:
    assert load(write(), overrides).adversarial.device == device


def test_a_shipped_recipe_loads_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(Path("quickstart")).path.name == "quickstart.yml"
    with pytest.raises(UserError, match="no such file"):
        load(Path("recipes/quickstart"))
