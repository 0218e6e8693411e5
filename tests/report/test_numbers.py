"""Pooling over seeds, and how numbers are written."""

from __future__ import annotations

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elliot_advrec import recipe
from elliot_advrec.attacks import ATTACKS
from elliot_advrec.experiment.results import FORMAT as WRITTEN
from elliot_advrec.experiment.stages import COLUMNS
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.report import FORMAT, labels
from elliot_advrec.report.caveats import caveats
from elliot_advrec.report.document import Row, parse
from elliot_advrec.report.pooling import Pool


def pool(*rows: dict) -> Pool:
    return Pool([Row(**row) for row in rows])


def test_the_report_reads_what_the_experiment_writes():
    assert FORMAT == WRITTEN
    assert set(Row.model_fields) == set(COLUMNS)


@pytest.mark.parametrize("metric", ["success_rate", "flagged", "detected_accounts"])
def test_rates_add_up_trials_of_unequal_seeds(metric):
    cell = pool(
        fakes.row(metric, 0.5, n=10, seed=1, rank_min=3),
        fakes.row(metric, 0.2, n=40, seed=2, rank_min=3),
    ).one(metric=metric)
    assert cell is not None
    assert (cell.value, cell.n, cell.seeds, cell.spread) == (pytest.approx(13 / 50), 50, 2, None)
    assert (cell.low, cell.high) == wilson(13, 50)


def test_one_seed_keeps_the_interval_it_came_with():
    cell = pool(fakes.row("accuracy", 0.5, n=10, ci_low=0.1, ci_high=0.9, seed=1)).one(metric="accuracy")
    assert cell is not None
    assert (cell.low, cell.high) == (0.1, 0.9)


def test_means_have_the_sample_standard_deviation_over_seeds():
    cell = pool(*(fakes.row("HR", value, k=10, n=5, seed=i) for i, value in enumerate((0.1, 0.2, 0.3)))).one(
        k=10
    )
    assert cell is not None
    assert (cell.value, cell.spread) == (pytest.approx(0.2), pytest.approx(0.1))
    assert cell.low is None


def test_p_values_are_not_averaged_and_nulls_are_left_out():
    found = pool(
        fakes.row("p_value_vs_none", 0.001, seed=1),
        fakes.row("p_value_vs_none", 0.2, seed=2),
        fakes.row("psnr", None),
    )
    assert [cell.value for cell in found.select()] == [0.2]


def test_different_budgets_are_not_pooled():
    found = pool(
        fakes.row("ssim", 0.9, eps=0.01), fakes.row("ssim", 0.8, eps=0.02), fakes.row("linf", 0.7, eps=0.02)
    )
    assert len(found.select(metric="ssim")) == 2
    assert len(found.select(metric=["ssim", "linf"], eps=0.02)) == 2
    assert found.distinct("eps") == [0.01, 0.02]


@pytest.mark.parametrize(
    ("eps", "text"),
    [
        (0.03, "0.03"),
        (8 / 255, "8/255"),
        (2 / 255, "2/255"),
        (0.3, "0.3"),
        (0.0123, "0.0123"),
        (None, "–"),
        (1.0, "1"),
    ],
)
def test_budgets_are_written_as_people_write_them(eps, text):
    assert labels.budget(eps) == text


@given(st.floats(-1e6, 1e6))
def test_numbers_read_back(value):
    text = labels.number(value).replace("−", "-")
    assert float(text) == pytest.approx(value, abs=5.1e-4)
    assert not text.startswith("-0.000")
    assert labels.signed(value)[0] in "+−0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.41, "0.4 s"), (9.99, "10 s"), (59.7, "1 min 00 s"), (3599.9, "1 h 00 min"), (None, "–")],
)
def test_durations_carry_over(seconds, text):
    assert labels.duration(seconds) == text


@given(st.text())
def test_plain_text_has_no_control_characters(text):
    assert labels.plain(text).isprintable()


def said(**changes) -> str:
    results = {**fakes.experiment()[0], **changes}
    document = parse(results)
    return "\n".join(caveats(document, Pool(document.rows)))


def test_caveats_say_what_the_rows_show():
    text = said()
    assert "simulated" in text
    assert "AT and CAT" in text
    assert "white-box" in text
    assert "One seed" in text
    assert "masked" not in text
    undefended = [row for row in fakes.rows_of(1) + fakes.rows_of(2) if row["defense"] in (None, "none")]
    assert "white-box" not in said(rows=undefended)
    assert "2 seeds" in said(rows=undefended)


def test_lists_of_other_lengths_are_no_sign_of_masking():
    cell = {"defense": "at", "threat": "promotion", "eps": 0.05, "n": 500, "seed": 1}
    found = {("fgsm", 1): (0.1, 0.6), ("pgd", 64): (0.2, 0.8)}
    rows = [
        fakes.row("success_rate", value, attack=attack, steps=steps, k=k, **cell)
        for (attack, steps), values in found.items()
        for k, value in zip((10, 20), values, strict=True)
    ]
    assert "masked" not in said(rows=rows)
    rows[-1]["value"] = 0.3
    assert "FGSM beats PGD-64 on AT at ε 0.05" in said(rows=rows)
    # Beside a threat that is judged by ranks each threat has its own rule.
    ranked = {**cell, "threat": "item_to_item", "rank_min": 3, "attack": "pgd", "steps": 64}
    assert "FGSM beats PGD-64" in said(rows=[*rows, fakes.row("success_rate", 0.5, **ranked)])


def test_every_attack_is_written_as_the_literature_has_it():
    presets = {name for name, _ in recipe.presets("attacks")}
    assert not [name for name in {*presets, *ATTACKS.names()} if labels.name_of(name) == name]
    stepless = {n for n in ATTACKS.names() if "steps" not in ATTACKS.get(n).config_class.model_fields}
    assert stepless == {n for n in ATTACKS.names() if labels.attack_name(n, 1) == labels.name_of(n)}
    assert labels.attack_name("bim", 10) == "BIM-10"
    assert labels.attack_name("mi_fgsm (adaptive)", 10) == "MI-FGSM-10 (adaptive)"


def test_one_step_beating_many_is_called_masking():
    cell = {"defense": "at", "eps": 0.05, "rank_min": 3, "n": 500, "seed": 1}
    rows = [
        fakes.row("success_rate", 0.6, attack="fgsm", steps=1, **cell),
        fakes.row("success_rate", 0.1, attack="pgd", steps=64, **cell),
    ]
    assert "FGSM beats PGD-64 on AT at ε 0.05" in said(rows=rows)
