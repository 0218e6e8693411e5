"""``--set`` and overlays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load

Write = Callable[..., Path]


@pytest.mark.parametrize(
    "key", ["experiment.adversarial.attacks[1].steps", "adversarial.attacks.1.steps", "attacks.pgd.steps"]
)
def test_keys_may_be_long_or_short(write: Write, key: str) -> None:
    assert load(write(), [f"{key}=7"]).adversarial.attacks[1].steps == 7


def test_values_are_yaml(write: Write) -> None:
    recipe = load(
        write(), ["seeds=[1, 2]", "strict=true", "extractor.training.lr=1e-4", "attacks.fgsm.eps=[1/255]"]
    )
    ours = recipe.adversarial
    assert (ours.seeds, ours.strict, ours.extractor.training.lr) == ((1, 2), True, 1e-4)
    assert ours.attacks[0].budgets[0].eps == 1 / 255


def test_elliots_keys_and_dotted_model_names(write: Write) -> None:
    recipe = load(
        write(),
        [
            "top_k=30",
            "models.external.ContentKNN.neighbors=9",
            'models."external.MostPop"={}',
            "models.external.Random={}",
        ],
    )
    assert recipe.experiment.top_k == 30
    assert [m.name for m in recipe.models] == ["ContentKNN", "MostPop", "Random"]
    assert recipe.models[0].config.neighbors == 9


def test_an_entry_that_is_only_a_name_takes_settings(write: Write) -> None:
    recipe = load(write(), ["defenses.at.steps=3"])
    assert recipe.adversarial.defenses[1].config.steps == 3


def test_the_last_one_counts(write: Write) -> None:
    assert load(write(), ["top_k=20", "top_k=30"]).experiment.top_k == 30


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("top_k", r"--set: 'top_k' is not of the form key=value"),
        ("attacks.pdg.steps=3", r"there is no entry 'pdg'; did you mean 'pgd'\?"),
        ("attacks[7].steps=3", r"there is no entry \[7\]; the list has 2"),
        ("topk=3", r"--set topk=3: experiment.topk: unknown key 'topk'; did you mean 'top_k'\?"),
        ("attacks.pgd.steps=0", r"--set attacks.pgd.steps=0: .*'steps' must be at least 1, got 0"),
        ("seeds=[1,", r"--set seeds=\[1,.*not YAML"),
        ("data_config.dataset_path=/x.tsv", r": experiment\.data_config\.strategy: 'strategy' is missing"),
        ("models.external.Foo={}", r"unknown recommender 'Foo'"),
        ("top_k[0]=3", r"position \[0\] of what is no list"),
        ("attacks[0.eps=0.1", r"--set: 'attacks\[0.eps' names no key"),
        ('attacks."pgd.eps=0.1', r"names no key"),
        ("seeds=[-1]", r"adversarial\.seeds\[0\]: must be at least 0, got -1"),
    ],
)
def test_bad_overrides_are_named(write: Write, assignment: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write(), [assignment])


def test_two_entries_of_one_name_are_set_by_position(write: Write) -> None:
    path = write(("{preset: fgsm, eps: 0.03}", "{preset: pgd, steps: 9, eps: 0.03}"))
    with pytest.raises(UserError, match="2 entries are called 'pgd'; name one by position"):
        load(path, ["attacks.pgd.restarts=2"])
    assert load(path, ["attacks[0].restarts=2"]).adversarial.attacks[0].config.restarts == 2


def test_the_small_overlay_shrinks_what_each_part_has(write: Write) -> None:
    full, small = (
        load(write()).adversarial,
        load(write(("users: 10", "users: 900")), overlay="small").adversarial,
    )
    assert small.catalog.config.users < 900
    assert [d.kind for d in small.defenses] == [d.kind for d in full.defenses]
    assert small.defenses[1].config.training.epochs == 1
    assert all(attack.pairs == 12 for attack in small.attacks)
    assert small.attacks[0].config == full.attacks[0].config  # FGSM has no steps to shorten


def test_set_goes_over_an_overlay(write: Write) -> None:
    assert load(write(), ["attacks.pgd.steps=5"], overlay="small").adversarial.attacks[1].steps == 5


def test_set_of_one_key_leaves_the_others_that_an_overlay_says(write: Write) -> None:
    def training(*assignments: str) -> Any:
        return load(write(), assignments, overlay="synthetic").adversarial.defenses[1].config.training

    plain = training()
    assert (plain.epochs, plain.lr) == (6, 0.0015)
    assert training("defenses.at.training.lr=0.25") == plain.model_copy(update={"lr": 0.25})
    assert training("defenses.at.training={lr: 0.25}").model_dump(exclude_none=True) == {"lr": 0.25}
    with pytest.raises(UserError, match="unknown key 'trainings'"):
        training("defenses.at.trainings.lr=0.25")


@pytest.mark.parametrize("overlay", ["tiny", "synthetic", "photographs"])
@pytest.mark.parametrize(
    "own",
    [
        "catalog: {source: folder, images: here, interactions: here.tsv, size: 64}",
        "catalog: {name: mine, source: pinterest, images: here, cold: 0.1}",
        "catalog: deepfashion",
    ],
)
def test_an_overlays_catalog_takes_the_place_of_another(
    write: Write, monkeypatch: pytest.MonkeyPatch, overlay: str, own: str
) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/nowhere")
    whole = "catalog:\n      source: synthetic\n      items: 40\n      users: 10\n      size: 32\n"
    preset = {"tiny": "synthetic", "synthetic": "synthetic", "photographs": "clothing_small"}[overlay]
    theirs = load(write((whole, f"catalog: {preset}\n")), overlay=overlay).adversarial.catalog
    found = load(write((whole, f"{own}\n")), overlay=overlay).adversarial.catalog
    assert found == theirs
    with pytest.raises(UserError, match="unknown key 'metadata'"):
        load(write((whole, f"{own}\n")), ["catalog.metadata=there"], overlay=overlay)


def test_an_overlays_catalog_comes_without_a_persons_interactions(write: Write, tmp_path: Path) -> None:
    given = "  top_k: 10\n  data_config: {strategy: dataset, dataset_path: mine.tsv}\n"
    path = write(
        ("  top_k: 10\n", given), ("source: synthetic\n      items: 40", "preset: synthetic\n      items: 40")
    )
    (tmp_path / "mine.tsv").write_text("u\ti\t1\n")
    assert load(path).experiment.data_config is not None
    assert load(path, overlay="tiny").experiment.data_config is not None  # it is the same catalog
    own = write(("  top_k: 10\n", given))
    assert load(own, overlay="small").experiment.data_config is not None
    assert load(own, overlay="tiny").experiment.data_config is None
    overlays = tmp_path / "configs" / "overlays"
    overlays.mkdir(parents=True)
    (overlays / "mine.yml").write_text(
        "experiment: {adversarial: {catalog: {source: synthetic, items: 300}}}\n"
    )
    assert (
        load(own, overlay="mine").adversarial.catalog.config.users == 10
    )  # it changes one number of the same
    other = write(("source: synthetic\n      items: 40\n      users: 10", "preset: synthetic"))
    assert load(other, overlay="mine").adversarial.catalog.config.items == 300


def test_an_overlay_over_the_same_catalog_leaves_its_other_settings(write: Write) -> None:
    path = write(("source: synthetic\n      items: 40", "preset: synthetic\n      cold: 0.25"))
    catalog = load(path, overlay="tiny").adversarial.catalog
    assert (catalog.config.cold, catalog.config.items) == (0.1, 120)
    assert load(path, overlay="synthetic").adversarial.catalog.config.cold == 0.25
    with pytest.raises(UserError, match="unknown key 'itemz'"):
        load(
            write(("source: synthetic\n      items: 40", "preset: synthetic\n      itemz: 40")),
            overlay="tiny",
        )


@pytest.mark.parametrize("inside", ["0.epochs=99", "foo.bar=99"])
def test_set_below_a_list_that_is_no_list_of_entries_is_refused(write: Write, inside: str) -> None:
    path = write(("defenses: [none, at]", "defenses: [none, reconstruct]"))
    with pytest.raises(UserError, match="must be a list"):
        load(path, [f"defenses.reconstruct.filter_training.stages.{inside}"], overlay="synthetic")


def test_attacks_that_an_overlay_makes_equal_are_kept_once(write: Write) -> None:
    path = write(("steps: 4,", "steps: [16, 32, 64],"))
    small = load(path, overlay="small").adversarial
    assert [(a.name, a.steps) for a in small.attacks] == [("fgsm", None), ("pgd", 8)]


def test_an_unknown_overlay_is_named(write: Write) -> None:
    with pytest.raises(UserError, match=r"unknown overlay 'smal'; did you mean 'small'\?"):
        load(write(), overlay="smal")


def test_the_question_mark_is_for_overlays_alone(write: Write) -> None:
    with pytest.raises(UserError, match=r"unknown key 'steps\?'"):
        load(write(("steps: 4", '"steps?": 4')))
