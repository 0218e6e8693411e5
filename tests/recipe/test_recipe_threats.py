"""Which threat reaches which recommender by which attack, and what a recipe may not ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import load, schema

Write = Callable[..., Path]
MODELS = "    external.ContentKNN: {neighbors: 5}"
VBPR = (MODELS, MODELS + "\n    external.VBPR: {preset: vbpr, epochs: 3}\n    MostPop: {}")
THREAT = "      - {preset: item_to_item, pairs: 6}"
PUSH = (THREAT, THREAT + "\n      - {preset: promotion, recommenders: VBPR, regimes: [fixed, poisoned]}")


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_selections_and_regimes_are_read_and_written(write: Write) -> None:
    path = write(VBPR, PUSH, ("{preset: fgsm, eps: 0.03}", "{preset: fgsm, eps: 0.03, threats: promotion}"))
    recipe = load(path)
    _, push = recipe.adversarial.threats
    assert (push.recommenders, push.regimes) == (("VBPR",), ("fixed", "poisoned"))
    assert recipe.adversarial.attacks[0].threats == ("promotion",)
    assert recipe.adversarial.attacks[1].threats is None
    again = path.with_name("again.yml")
    again.write_text(yaml.safe_dump(recipe.resolved()), "utf-8")
    assert load(again).adversarial == recipe.adversarial
    for written in (path, again):
        jsonschema.validate(yaml.safe_load(written.read_text("utf-8")), schema())


def test_a_model_starts_from_its_preset(write: Write) -> None:
    vbpr = next(model for model in load(write(VBPR)).models if model.name == "VBPR")
    assert vbpr.config.epochs == 3  # type: ignore[attr-defined]
    assert vbpr.config.batch_size == 128  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        pytest.param(
            [VBPR, (THREAT, THREAT + "\n      - {preset: promotion, recommenders: MostPop}")],
            "the threat 'promotion' cannot attack MostPop: it does not use images",
            id="no images",
        ),
        pytest.param(
            [VBPR, (THREAT, THREAT + "\n      - {preset: promotion, recommenders: ContentKNN}")],
            "the threat 'promotion' cannot attack ContentKNN: ",
            id="no gradient",
        ),
        pytest.param(
            [(THREAT, THREAT + "\n      - {preset: promotion}")],
            "no recommender of the recipe can be reached (ContentKNN: ",
            id="nobody",
        ),
        pytest.param(
            [VBPR, (THREAT, THREAT + "\n      - {preset: promotion, recommenders: VBRP}")],
            "the recipe has no recommender 'VBRP'; did you mean 'VBPR'?",
            id="misspelt recommender",
        ),
        pytest.param(
            [VBPR, (THREAT, THREAT + "\n      - {preset: promotion, knowledge: rank}")],
            "the attack 'fgsm' follows a gradient, and the adversary of 'promotion' sees values alone",
            id="white box on a black box",
        ),
        pytest.param(
            [("{preset: fgsm, eps: 0.03}", "{preset: fgsm, eps: 0.03, threats: item_to_itme}")],
            "the recipe has no threat 'item_to_itme'; did you mean 'item_to_item'?",
            id="misspelt threat",
        ),
        pytest.param(
            [("pairs: 6}", "pairs: 6, regimes: [poisened]}")],
            "unknown value 'poisened'; did you mean 'poisoned'?",
            id="misspelt regime",
        ),
        pytest.param(
            [("pairs: 6}", "pairs: 6, regimes: [fixed, fixed]}")],
            "regimes must differ",
            id="regime twice",
        ),
        pytest.param(
            [VBPR, ("preset: vbpr,", "preset: vbrp,")],
            "unknown VBPR preset 'vbrp'; did you mean 'vbpr'?",
            id="misspelt model preset",
        ),
        pytest.param(
            [VBPR, ("preset: vbpr,", "preset: amr,")],
            "unknown VBPR preset 'amr'",
            id="another model's preset",
        ),
        pytest.param(
            [("{preset: fgsm, eps: 0.03}", "{preset: blend, eps: 0.03}")],
            "the attack 'blend' shows another item's picture, and the adversary of 'item_to_item' has none",
            id="nothing to imitate",
        ),
        pytest.param(
            [
                VBPR,
                (THREAT, "      - {preset: cold_start, knowledge: semantic, pairs: 2, k: [5]}"),
                ("{preset: fgsm, eps: 0.03}", "{preset: square, eps: 0.03}"),
            ],
            "the attack 'square' follows answers of the recommender, and the adversary of 'cold_start' has "
            "pictures alone",
            id="pictures alone",
        ),
        pytest.param(
            [VBPR, PUSH, ("{preset: fgsm, eps: 0.03}", "{preset: paste, eps: 0.1, threats: promotion}")],
            "attacks[0].eps: the attack 'paste' holds no budget; write eps: 1",
            id="inset within a budget",
        ),
        pytest.param(
            [VBPR, PUSH, ("{preset: fgsm, eps: 0.03}", "{preset: replace, eps: 1, norm: l2}")],
            "the attack 'replace' holds no budget; write eps: 1",
            id="picture within a length",
        ),
        pytest.param(
            [
                VBPR,
                PUSH,
                (
                    "    attacks:",
                    "      - {preset: promotion, name: promotion (poisoned), pairs: 2}\n    attacks:",
                ),
            ],
            "the rows of 'promotion' in the regime poisoned are called 'promotion (poisoned)' too",
            id="named as a regime",
        ),
        pytest.param(
            [("{preset: fgsm, eps: 0.03}", "{preset: square, eps: 0.03, norm: l2}")],
            "the attack 'square' has no form for l2 budgets; known: linf",
            id="norm",
        ),
        pytest.param(
            [
                ("{preset: fgsm, eps: 0.03}", "{preset: fgsm, eps: 0.03, threats: item_to_item}"),
                ("{preset: pgd, steps: 4,", "{preset: pgd, threats: item_to_item, steps: 4,"),
                VBPR,
                PUSH,
            ],
            "no attack serves the threat 'promotion'",
            id="unserved",
        ),
        pytest.param(
            [
                VBPR,
                (THREAT, "      - {preset: untargeted, users: 2, negatives: 3, k: [1]}"),
                ("{preset: fgsm, eps: 0.03}", "{preset: fgsm, eps: 0.03, pairs: 3}"),
            ],
            "3 pairs of the attack 'fgsm' are too few for the threat 'untargeted', which judges 4 pictures "
            "at a time; write --set attacks.fgsm.pairs=4, or more, or name the threats it serves",
            id="less than a triple",
        ),
    ],
)
def test_what_cannot_be_asked_for(write: Write, replacements: list[tuple[str, str]], expected: str) -> None:
    said = complaint(write(*replacements))
    assert expected in said
    assert "recipe.yml:" in said


def test_the_shipped_tables_of_the_papers_reach_their_threats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELLIOT_ADVREC_DATA", "/nowhere")
    for name in ("var_chr", "blackbox_hr", "untargeted_bpr", "aip_cold_start", "denoise_insa"):
        for overlay in ("photographs", "synthetic"):
            recipe = load(Path(name), overlay=overlay)
            assert recipe.adversarial.threats
            assert recipe.overlay == overlay
