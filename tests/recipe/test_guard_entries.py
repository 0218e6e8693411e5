"""Entries of `defenses` with a filter or a detector: what is read, what is refused, and the schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.filters.training import FilterTrainingConfig
from elliot_advrec.recipe import GuardSpec, Recipe, load, schema

Write = Callable[..., Path]
MODELS = "    external.ContentKNN: {neighbors: 5}"
SEVERAL = (
    MODELS,
    MODELS + "\n    external.VBPR: {epochs: 3}\n    MostPop: {}\n    external.ACF: {epochs: 2}",
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def written(write: Write, *entries: str) -> Path:
    lines = "\n".join(f"      - {entry}" for entry in entries)
    return write(("    defenses: [none, at]", f"    defenses:\n      - none\n      - at\n{lines}"), SEVERAL)


def read(write: Write, *entries: str) -> tuple[Recipe, list[GuardSpec]]:
    recipe = load(written(write, *entries))
    return recipe, [spec for spec in recipe.adversarial.defenses if isinstance(spec, GuardSpec)]


GOOD = [
    "reconstruct",
    "reconstruct_random",
    "squeeze",
    "{preset: reconstruct, over: at, ranking: VBPR}",
    "{preset: reconstruct, filter: {width: 8}, detector: {fpr: 0.1, threshold: null}}",
    "{preset: reconstruct, detector: null}",
    "{name: squeeze, tries: 3}",
    "{preset: squeeze, tries: 3, filter: {bits: 4}}",
    "{name: mine, preset: squeeze, filter: jpeg}",
    "{filter: jpeg}",
    "{filter: {preset: jpeg, quality: 50}}",
    "{filter: {type: bit_depth, bits: 8}, over: at, tries: 1}",
    "{detector: squeezing}",
    "{detector: {type: squeezing, threshold: 0.5}, refuse: false, evasion: 3}",
    "{filter: median, detector: {preset: squeezing, fpr: 0.2}, knowledge: [oblivious, adaptive]}",
    "{filter: resize_pad, draws: 30, knowledge: adaptive}",
    "{filter: {preset: unet, width: 8}, filter_training: {stages: [{epochs: 1}], eps: 8/255}}",
    "{filter: reconstruction_random, draws: 5, detector: contrastive_small}",
]


@pytest.mark.parametrize("entry", GOOD)
def test_good_entries_are_read_resolved_and_in_the_schema(
    entry: str, write: Write, validator: jsonschema.Draft202012Validator
) -> None:
    path = written(write, entry)
    recipe = load(path)
    validator.validate(yaml.safe_load(path.read_text("utf-8")))
    resolved = recipe.resolved()
    validator.validate(resolved)
    again = path.with_name("again.yml")
    again.write_text(yaml.safe_dump(resolved), "utf-8")
    assert load(again).adversarial == recipe.adversarial
    assert load(again).resolved() == resolved


def test_presets_are_the_papers(write: Write) -> None:
    _, [ours, random, squeeze] = read(write, "reconstruct", "reconstruct_random", "squeeze")
    assert ours.filter is not None
    assert ours.detector is not None
    config: Any = ours.filter.config
    assert (ours.filter.kind, config.width, config.blocks, config.resize_pad) == (
        "reconstruction",
        64,
        9,
        False,
    )
    detector: Any = ours.detector.config
    assert (detector.encoder, detector.projection, detector.threshold) == ("resnet50", 128, 0.2)
    assert ours.config.filter_training == FilterTrainingConfig()
    assert [stage.epochs for stage in ours.config.filter_training.stages] == [10, 3, 2, 1]
    assert random.filter is not None
    assert random.filter.config == config.model_copy(update={"resize_pad": True})
    assert random.detector == ours.detector
    assert squeeze.filter is not None
    assert squeeze.detector is not None
    assert (squeeze.filter.kind, squeeze.detector.kind) == ("feature_squeezing", "squeezing")


def test_entries_change_their_preset_part_by_part(write: Write) -> None:
    entry = "{preset: reconstruct, name: small, filter: {width: 8}, detector: {threshold: null, fpr: 0.1}}"
    _, [small] = read(write, entry)
    assert small.filter is not None
    assert small.detector is not None
    filter, detector = small.filter.config, small.detector.config
    assert (filter.width, filter.blocks) == (8, 9)  # type: ignore[attr-defined]
    assert (detector.encoder, detector.threshold, detector.fpr) == ("resnet50", None, 0.1)  # type: ignore[attr-defined]


def test_names_are_the_parts_names(write: Write) -> None:
    _, found = read(
        write, "{filter: jpeg}", "{filter: median, detector: squeezing}", "{name: x, detector: squeezing}"
    )
    assert [spec.name for spec in found] == ["jpeg", "median+squeezing", "x"]


def test_overrides_and_presets_beside_the_recipe(write: Write) -> None:
    path = written(write, "{preset: squeeze, tries: 3}", "mine")
    (path.parent / "configs" / "defenses").mkdir(parents=True)
    mine = path.parent / "configs" / "defenses" / "mine.yml"
    mine.write_text("# Ours\nfilter: {preset: jpeg, quality: 40}\ntries: 2\n")
    recipe = load(
        path, ["defenses.squeeze.tries=4", "defenses.squeeze.filter.bits=3", "defenses.mine.over=at"]
    )
    squeeze, ours = (spec for spec in recipe.adversarial.defenses if isinstance(spec, GuardSpec))
    assert squeeze.filter is not None
    assert (squeeze.config.tries, squeeze.filter.config.bits) == (4, 3)  # type: ignore[attr-defined]
    assert (ours.config.tries, ours.config.over) == (2, "at")
    validator = jsonschema.Draft202012Validator(schema(path.parent))
    validator.validate(yaml.safe_load(path.read_text("utf-8")))


def test_weights_are_found_from_the_recipes_folder(write: Write) -> None:
    path = written(write, "{filter: {type: unet, weights: mine.safetensors}}")
    with pytest.raises(UserError, match=r"there is no file .*mine\.safetensors"):
        load(path)
    (path.parent / "mine.safetensors").write_bytes(b"")
    spec = load(path).adversarial.defenses[-1]
    assert isinstance(spec, GuardSpec)
    assert spec.filter is not None
    assert spec.filter.config.weights == str(path.parent / "mine.safetensors")  # type: ignore[attr-defined]


def test_what_an_overlay_says_of_all_is_dropped_where_it_would_do_nothing(write: Write) -> None:
    path = written(write, "{filter: jpeg}", "squeeze", "{filter: resize_pad}", "reconstruct")
    (path.parent / "configs" / "overlays").mkdir(parents=True)
    stages = "[{epochs: 1}, {epochs: 1, learns: [detector]}]"
    said = [
        "draws?: 3",
        "tries?: 2",
        "evasion?: [2]",
        "refuse?: false",
        f"filter_training?: {{stages: {stages}}}",
    ]
    keys = "\n".join(f"        {line}" for line in said)
    everything = f"experiment:\n  adversarial:\n    defenses:\n      '*':\n{keys}"
    (path.parent / "configs" / "overlays" / "quick.yml").write_text(f"# Quick\n{everything}\n")
    recipe = load(path, overlay="quick")
    jpeg, squeeze, drawn, ours = (s.config for s in recipe.adversarial.defenses if isinstance(s, GuardSpec))
    assert [c.tries for c in (jpeg, squeeze, drawn, ours)] == [2] * 4
    assert [c.draws for c in (jpeg, squeeze, drawn, ours)] == [20, 20, 3, 20]
    assert [c.refuse for c in (jpeg, squeeze, drawn, ours)] == [True, False, True, False]
    assert [len(c.filter_training.stages) for c in (jpeg, squeeze, drawn, ours)] == [4, 4, 4, 2]


# ruff: noqa: E501
BAD = [
    ("{filter: jpge}", "defenses[2]", "unknown filter 'jpge'; did you mean 'jpeg'?"),
    ("{detector: squezing}", "defenses[2]", "unknown detector 'squezing'; did you mean 'squeezing'?"),
    ("reconstrct", "defenses[2]", "unknown defense 'reconstrct'; did you mean 'reconstruct'?"),
    ("{detector: jpeg}", "defenses[2]", "unknown detector 'jpeg'"),
    ("{filter: squeezing}", "defenses[2]", "unknown filter 'squeezing'"),
    ("{filter: contrastive}", "defenses[2]", "unknown filter 'contrastive'"),
    ("{filter: at}", "defenses[2]", "unknown filter 'at'"),
    ("{over: at}", "defenses[2]", "no defense is named"),
    ("{filter: null}", "defenses[2]", "has neither filter nor detector"),
    ("{preset: squeeze, filter: null, detector: null}", "defenses[2]", "'squeeze' has neither filter nor"),
    ("{detector: contrastive}", "detector", "there is no filter"),
    ("{filter: jpeg, detector: contrastive}", "detector", "'jpeg' does not"),
    ("{filter: jpeg, over: att}", "defenses[2]", "stands over 'att', which is no training defense here; did you"),
    ("{filter: jpeg, over: squeeze}", "defenses[2]", "stands over 'squeeze', which is no training defense"),
    ("{filter: unet, ranking: VBRP}", "ranking", "the recipe has no recommender 'VBRP'; did you mean 'VBPR'?"),
    ("{filter: unet, ranking: MostPop}", "defenses[2]", "ranking of MostPop: it does not use images"),
    ("{filter: unet, ranking: ContentKNN}", "defenses[2]", "ranking of ContentKNN: its scores have no gradient"),
    ("{filter: unet, ranking: ACF}", "defenses[2]", "ranking of ACF: users who have not taken an item"),
    ("{filter: jpeg, ranking: VBPR}", "ranking", "'ranking' does nothing in 'jpeg', which has no filter that"),
    ("{filter: jpeg, filter_training: {pgd_steps: 2}}", "filter_training", "no filter that learns; take it out"),
    ("{filter: jpeg, draws: 5}", "draws", "'draws' does nothing in 'jpeg', which has no filter that draws"),
    ("{filter: unet, draws: 5}", "draws", "'draws' does nothing in 'unet', which has no filter that draws"),
    ("{filter: jpeg, refuse: false}", "refuse", "'refuse' does nothing in 'jpeg', which has no detector"),
    ("{filter: jpeg, evasion: [3]}", "evasion", "'evasion' does nothing in 'jpeg', which has no detector"),
    ("{filter: jpeg, knowledge: [evading]}", "knowledge", "no detector that could be evaded; write knowledge:"),
    ("{filter: jpeg, knowledge: [adaptive, evading]}", "knowledge", "no detector that could be evaded"),
    ("{filter: jpeg, knowledge: []}", "knowledge", "at least 1"),
    ("{filter: jpeg, knowledge: [adaptive, adaptive]}", "knowledge", "entries must differ"),
    ("{filter: jpeg, knowledge: [all]}", "knowledge", "unknown value 'all'; known: adaptive"),
    ("{detector: squeezing, evasion: [0]}", "evasion", "above 0"),
    ("{detector: squeezing, evasion: [2, 2]}", "evasion", "entries must differ"),
    ("{filter: resize_pad, draws: 0}", "draws", "at least 1"),
    ("{filter: jpeg, tries: 0}", "tries", "at least 1"),
    ("{filter: jpeg, tries: many}", "tries", "whole number"),
    ("{filter: jpeg, quality: 50}", "quality", "'quality' is a setting of the filter; write filter: {preset: jpeg, quality"),
    ("{filter: jpeg, detector: squeezing, fpr: 0.1}", "fpr", "'fpr' is a setting of the detector; write detector:"),
    ("{filter: {preset: jpeg, fpr: 0.1}}", "fpr", "unknown key 'fpr'"),
    ("{filter: {preset: jpeg, type: jpeg}}", "filter", "both 'preset' and 'type' are given"),
    ("{filter: {quality: 3}}", "filter", "no filter is named"),
    ("{filter: [jpeg]}", "filter", "this filter must be a name"),
    ("{filter: jpeg, tires: 3}", "tires", "unknown key 'tires'; did you mean 'tries'?"),
    ("{preset: at, filter: jpeg}", "preset", "'preset' names a training defense"),
    ("{type: adversarial_training, filter: jpeg}", "type", "write over: its name here"),
    ("{name: none, filter: jpeg}", "defenses[2]", "a defense cannot be called 'none'"),
    ("{name: at, filter: jpeg}", "defenses", "the defense 'at' is here twice"),
    ("{filter: unet, filter_training: {stages: []}}", "stages", "at least 1"),
    ("{filter: unet, filter_training: {stages: [{learns: [detector]}]}}", "stages", "a stage learns a detector, and there is none"),
    ("{filter: unet, filter_training: {stages: [{epochs: 1}, {learns: [filter, detector]}]}}", "stages", "take 'detector' out"),
    ("{filter: unet, detector: squeezing, filter_training: {stages: [{epochs: 1}, {learns: [detector]}]}}", "stages", "none that learns"),
    ("{filter: unet, detector: contrastive, filter_training: {stages: [{epochs: 1}]}}", "stages", "no stage learns the detector"),
    ("{filter: unet, detector: contrastive, filter_training: {stages: [{learns: [detector]}]}}", "stages", "no stage learns the filter"),
    ("{filter: unet, filter_training: {stage: []}}", "filter_training", "unknown key 'stage'; did you mean 'stages'?"),
    ("{filter: unet, filter_training: {eps: 2}}", "eps", "'eps' must be at most 1, got 2"),
    ("{detector: {preset: squeezing, fpr: 0}}", "fpr", "above 0"),
    ("{detector: {preset: squeezing, bits: null, window: null}}", "detector", "one of bits, window and quality"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "place", "words"), BAD, ids=[entry for entry, _, _ in BAD])
def test_bad_entries_are_refused_in_one_sentence_with_their_place(
    entry: str, place: str, words: str, write: Write
) -> None:
    path = written(write, entry)
    with pytest.raises(UserError) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}:")
    assert place in said.partition(": ")[2]
    assert words in said


IN_CODE = (
    "over", "ranking", "no recommender", "neither filter nor", "are given", "'at' is", "does nothing", "could be evaded", "does not", "learns", "take 'detector'",
    "no stage", "a training defense", "called 'none'", "one of bits", "there is no filter",
)  # fmt: skip
"""What the schema leaves to the code: other entries' names, and what goes together."""


@pytest.mark.parametrize(
    "entry", [entry for entry, _, words in BAD if not any(part in words for part in IN_CODE)]
)
def test_the_schema_refuses_bad_entries(
    entry: str, write: Write, validator: jsonschema.Draft202012Validator
) -> None:
    recipe = yaml.safe_load(written(write, entry).read_text("utf-8"))
    assert not validator.is_valid(recipe)
