"""Bad recipes: each gets one sentence with file, line, key and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load

Write = Callable[..., Path]
PGD = "{preset: pgd, steps: 4, eps: [2/255, 8/255]}"


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "  top_k: 10",
            "  topk: 10",
            ":3: experiment.topk: unknown key 'topk'; did you mean 'top_k'?",
            id="key",
        ),
        pytest.param(
            "neighbors: 5",
            "neighbours: 5",
            ":5: experiment.models.external.ContentKNN.neighbours: unknown key 'neighbours'; did you mean",
            id="component key",
        ),
        pytest.param(
            "steps: 4",
            "stpes: 4",
            ":19: ADVERSARIAL.attacks[1].stpes: unknown key 'stpes'; did you mean 'steps'?",
            id="attack key",
        ),
        pytest.param(
            "preset: pgd",
            "preset: pdg",
            ":19: ADVERSARIAL.attacks[1].preset: unknown attack 'pdg'; did you mean 'pgd'?",
            id="misspelt attack",
        ),
        pytest.param(
            "preset: pgd",
            "type: pdg",
            ":19: ADVERSARIAL.attacks[1].type: unknown attack 'pdg'; did you mean 'pgd'?",
            id="misspelt type",
        ),
        pytest.param(
            "[none, at]",
            "[none, att]",
            ":14: ADVERSARIAL.defenses[1]: unknown defense 'att'; did you mean 'at'?",
            id="unknown preset",
        ),
        pytest.param(
            "source: synthetic",
            "source: sinthetic",
            ":8: ADVERSARIAL.catalog.source: unknown source 'sinthetic'; did you mean 'synthetic'?",
            id="unknown source",
        ),
        pytest.param(
            "training: {epochs: 2}",
            "preset: mobilnet",
            ":13: ADVERSARIAL.extractor.preset: unknown model preset 'mobilnet'; did you mean 'mobilenetv2'?",
            id="unknown model preset",
        ),
        pytest.param(
            "external.ContentKNN:",
            "external.ContentKNNN:",
            ":5: experiment.models.external.ContentKNNN: unknown recommender 'ContentKNNN'; did you mean",
            id="unknown recommender",
        ),
        pytest.param(
            "steps: 4",
            "steps: many",
            ":19: ADVERSARIAL.attacks[1].steps: 'steps' must be a whole number, got 'many'",
            id="wrong type",
        ),
        pytest.param(
            "  top_k: 10",
            "  top_k: [10]",
            ":3: experiment.top_k: 'top_k' must be a whole number",
            id="list for number",
        ),
        pytest.param(
            "training: {epochs: 2}",
            "training: {epochs: 0}",
            ":13: ADVERSARIAL.extractor.training.epochs: 'epochs' must be at least 1, got 0",
            id="out of range",
        ),
        pytest.param(
            "      training: {epochs: 2}",
            "      training: 2",
            ":13: ADVERSARIAL.extractor.training: 'training' must be a mapping (key: value), got 2",
            id="number for mapping",
        ),
        pytest.param(
            "steps: 4",
            "step_rule: constnat",
            ":19: ADVERSARIAL.attacks[1].step_rule: unknown value 'constnat'; did you mean 'constant'?",
            id="unknown choice",
        ),
        pytest.param(
            "size: 32",
            "size: 8",
            ":11: ADVERSARIAL.catalog.size: 'size' must be at least 16, got 8",
            id="tiny pictures",
        ),
        pytest.param(
            "eps: 0.03", "eps: 0", ":18: ADVERSARIAL.attacks[0].eps: eps must be above 0, got 0", id="eps 0"
        ),
        pytest.param("eps: 0.03", "eps: -0.1", "eps must be above 0, got -0.1", id="negative eps"),
        pytest.param(
            "eps: 0.03", "eps: 8", "eps must be at most 1, got 8; did you mean 8/255?", id="eps in 255ths"
        ),
        pytest.param(
            "[2/255, 8/255]",
            "[2/255, 8/O]",
            ":19: ADVERSARIAL.attacks[1].eps[1]: eps must be a number, got '8/O'; write a number",
            id="eps no number",
        ),
        pytest.param(
            "[2/255, 8/255]",
            "[2/255, 2/255]",
            "attacks[1].eps[1]: the budget 2/255 is listed twice",
            id="eps twice",
        ),
        pytest.param(
            "[2/255, 8/255]", "[]", "attacks[1].eps: the list of budgets is empty", id="no eps in the list"
        ),
        pytest.param(
            "{preset: fgsm, eps: 0.03}",
            "fgsm",
            ":18: ADVERSARIAL.attacks[0]: attack 'fgsm' has no budget; add e.g. eps: 0.03",
            id="no eps",
        ),
        pytest.param(
            "    attacks:\n      - {preset: fgsm, eps: 0.03}\n      - " + PGD,
            "    attacks: []",
            ":17: ADVERSARIAL.attacks: the list of attacks is empty; name at least one",
            id="empty attack list",
        ),
        pytest.param(
            "    attacks:\n      - {preset: fgsm, eps: 0.03}\n      - " + PGD,
            "",
            ":6: ADVERSARIAL.attacks: 'attacks' is missing",
            id="no attacks",
        ),
        pytest.param(
            "preset: fgsm",
            "preset: pgd, steps: 4",
            ":19: ADVERSARIAL.attacks[1]: the attack 'pgd' is here twice, the other at",
            id="duplicate attack",
        ),
        pytest.param(
            "preset: fgsm, eps: 0.03",
            "preset: pgd, steps: 4, pairs: 3, eps: [0.03, 8/255]",
            ":19: ADVERSARIAL.attacks[1]: the attack 'pgd' at eps 0.0313725 is here twice, the other at",
            id="two numbers of pairs in one cell",
        ),
        pytest.param(
            "epochs: 2",
            "epochs: 2, lr: .inf",
            ":13: ADVERSARIAL.extractor.training.lr: 'lr' must be a finite number, got inf",
            id="infinite number",
        ),
        pytest.param(
            "top_k: 10",
            "top_k: 10\n  evaluation: {relevance_threshold: .nan}",
            ":4: experiment.evaluation.relevance_threshold: 'relevance_threshold' must be a finite number",
            id="not a number",
        ),
        pytest.param("[none, at]", "[at, at]", "the defense 'at' is here twice", id="duplicate defense"),
        pytest.param(
            "{neighbors: 5}",
            "{neighbors: 5}\n    ContentKNN: {}",
            ":6: experiment.models.ContentKNN: the model 'ContentKNN' is here twice",
            id="duplicate model",
        ),
        pytest.param(
            "eps: 0.03",
            "eps: 0.03, defenses: [cat]",
            ":18: ADVERSARIAL.attacks[0].defenses[0]: the recipe has no defense 'cat'; did you mean 'at'?",
            id="attack on an absent defense",
        ),
        pytest.param(
            "preset: fgsm",
            "preset: fgsm, type: fgsm",
            "both 'preset' and 'type' are given; keep one",
            id="both",
        ),
        pytest.param(
            "{preset: fgsm, eps: 0.03}",
            "{eps: 0.03}",
            "attacks[0]: no attack is named; add 'preset'",
            id="no name",
        ),
        pytest.param(
            "{preset: fgsm, eps: 0.03}",
            "7",
            "attacks[0]: this attack must be a name, or a mapping",
            id="entry of 7",
        ),
        pytest.param(
            "preset: fgsm", "preset: ../attacks/fgsm", "unknown attack '../attacks/fgsm'", id="path as preset"
        ),
        pytest.param(
            "[none, at]", "[none, {preset: at, name: none}]", "a defense cannot be called 'none'", id="none"
        ),
        pytest.param(
            "    external.ContentKNN: {neighbors: 5}",
            "",
            ":4: experiment.models: 'models' is missing or empty",
            id="models",
        ),
        pytest.param(
            "dataset: tiny", "dataset: ''", "'dataset' must have at least 1 characters", id="empty name"
        ),
        pytest.param(
            "    catalog:\n      source: synthetic\n      items: 40\n      users: 10\n      size: 32\n",
            "",
            "experiment.adversarial.catalog: 'catalog' is missing; name where the items come from",
            id="no catalog",
        ),
        pytest.param(
            "    defenses:",
            "    seeds: [1, 1]\n    defenses:",
            ":14: ADVERSARIAL.seeds: a seed is listed twice",
            id="seeds",
        ),
        pytest.param("    defenses:", "    device: gpu\n    defenses:", "unknown device 'gpu'", id="device"),
        pytest.param(
            "    defenses:",
            "    precision: bf8\n    defenses:",
            "unknown value 'bf8'; known: auto, bf16, float32",
            id="precision",
        ),
    ],
)
def test_one_sentence_says_what_where_and_the_remedy(write: Write, old: str, new: str, expected: str) -> None:
    path = write((old, new))
    said = complaint(path)
    assert said.startswith(str(path))
    assert expected.replace("ADVERSARIAL", "experiment.adversarial") in said


def test_a_missing_file_names_its_neighbour(write: Write) -> None:
    path = write()
    assert f"{path.with_name('recpie.yml')}: there is no such file; did you mean 'recipe.yml'?" in complaint(
        path.with_name("recpie.yml")
    )


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    assert "this is a folder, not a recipe file" in complaint(tmp_path)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\x00\x00", b"experiment: \xff\xfe", b"a: \x00"])
def test_a_binary_file_is_no_recipe(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "recipe.yml"
    path.write_bytes(data)
    assert "not a text file" in complaint(path)


def test_a_huge_file_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    assert "larger than 1 MiB" in complaint(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("experiment:\n  dataset: [a\n  top_k: 3\n", ":3: not YAML (expected ',' or ']'"),
        (
            "experiment:\n\tdataset: a\n",
            ":2: not YAML (found character '\\t' that cannot start any token); indent with",
        ),
        ("experiment: {a: 1}\n---\nb: 2\n", ":2: not YAML"),
        ("- a\n- b\n", "the file must hold a mapping (key: value), and it is a list"),
        ("just words\n", "the file must hold a mapping (key: value), and it is a text"),
        ("", "the file must hold a mapping (key: value), and it is empty"),
        ("# nothing\n", "and it is empty"),
        (
            "experiment:\n  dataset: a\n  dataset: b\n",
            ":3: experiment.dataset: the key 'dataset' stands here twice; keep one",
        ),
        ("experiment: 3\n", ":1: experiment: must be a mapping"),
        ("dataset: a\n", ":1: dataset: unknown key 'dataset'; known: experiment"),
        ("{}\n", "'experiment' is missing"),
        ("experiment: !!python/object/apply:os.system [id]\n", ":1: experiment: the YAML tag"),
        ("experiment: !!python/name:os.system x\n", ":1: experiment: the YAML tag"),
        ("experiment: &a [*a]\n", "too many or too deeply nested values"),
        ("? [1, 2]\n: x\n", "a key must be plain text"),
        ("[" * 9000, ":1: too many or too deeply nested values; name a recipe, not data"),
        ("{a: " * 3000, ":1: too many or too deeply nested values"),
        ("- 1\n" * 60_000, ":40000: too many or too deeply nested values"),
        ("experiment:\n  dataset: \x01\n", ":2: the character 0x01 is not allowed in YAML; take it out"),
        ("experiment:\n  top_k: " + "9" * 5000, f"experiment.top_k: '{'9' * 40}...' is no number that"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_refused_with_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(text, "utf-8")
    assert expected in complaint(path)


def test_anchors_that_unfold_without_bound_are_refused(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    path = tmp_path / "recipe.yml"
    path.write_text("\n".join(lines), "utf-8")
    assert "too many or too deeply nested values" in complaint(path)


def test_anchors_and_merge_keys_serve_as_usual(write: Write) -> None:
    attacks = "- &f {preset: fgsm, eps: 0.03}\n      - {<<: *f, name: wide, eps: 0.1}"
    recipe = load(write(("- {preset: fgsm, eps: 0.03}", attacks)))
    assert [(a.name, a.kind, a.budgets[0].eps) for a in recipe.adversarial.attacks[:2]] == [
        ("fgsm", "fgsm", 0.03),
        ("wide", "fgsm", 0.1),
    ]


def test_an_undefined_variable_says_to_set_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADVREC_TEST", raising=False)
    path = write(
        (
            "source: synthetic\n      items: 40\n      users: 10",
            "source: folder\n      images: ${ADVREC_TEST}/x",
        )
    )
    said = complaint(path)
    assert (
        ":9: experiment.adversarial.catalog.images: the environment variable ADVREC_TEST is not set; set it"
        in said
    )
    monkeypatch.setenv("ADVREC_TEST", "")
    assert "ADVREC_TEST is empty" in complaint(path)


def test_a_mistake_in_a_preset_is_placed_in_the_preset(write: Write, tmp_path: Path) -> None:
    own = tmp_path / "configs" / "attacks"
    own.mkdir(parents=True)
    (own / "mine.yml").write_text("type: pgd\nstepz: 3\n")
    path = write((PGD, "{preset: mine, eps: 0.03}"))
    assert f"{own / 'mine.yml'}:2: stepz: unknown key 'stepz'; did you mean 'steps'?" in complaint(path)
    (own / "mine.yml").write_text("steps: 3\n")
    assert "'type' is missing; name the attack it sets up" in complaint(path)


def test_interactions_that_are_not_there_are_named(write: Write, tmp_path: Path) -> None:
    path = write(
        ("  top_k: 10\n", "  top_k: 10\n  data_config: {strategy: dataset, dataset_path: gone.tsv}\n")
    )
    said = complaint(path)
    assert f":4: experiment.data_config.dataset_path: there is no file {tmp_path / 'gone.tsv'}" in said


@pytest.mark.parametrize("tag", ["bool maybe", "int abc", "float x", "null x", "float ''", "bool ''"])
def test_a_tag_that_does_not_fit_its_value(tmp_path: Path, tag: str) -> None:
    (tmp_path / "r.yml").write_text(f"experiment:\n  top_k: !!{tag}\n")
    said = complaint(tmp_path / "r.yml")
    assert f"{tmp_path / 'r.yml'}" in said


def test_a_number_of_base_60_is_not_read_for_minutes(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text("experiment: 1" + ":1" * 200_000)
    assert "is no number that anybody needs; quote it" in complaint(tmp_path / "r.yml")


def test_merges_of_merges_do_not_unfold(tmp_path: Path) -> None:
    text = "&a0 {x: 1, y: 2}"
    for level in range(1, 18):
        text = f"&a{level} {{<<: [{text}{f', *a{level - 1}' * 8}]}}"
    (tmp_path / "r.yml").write_text(f"experiment: {text}")
    assert "too many or too deeply nested values" in complaint(tmp_path / "r.yml")
