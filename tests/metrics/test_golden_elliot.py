"""Elliot's own lists get Elliot's own numbers: every metric, every p-value, in three runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import golden
import numpy as np
import pandas as pd
import pytest

from elliot_advrec.metrics.formulas import METRICS
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.metrics.significance import pairs

TESTS = {"ttest": "paired_ttest", "wilcoxon": "wilcoxon_test"}
#: Folder below a split -> models and metrics of that run; the second read the first one's lists again.
RUNS = {"": (3, 14), "more": (4, 11)}
#: Lists of all unseen training items in an order that these numbers give, for measures that need whole lists.
SCATTERED = (7919, 104_729, 1_000_003)


@cache
def elliot(name: str) -> dict[str, Ranking]:
    case = golden.case(name)
    rankings = case.rankings(list(METRICS))
    trained = len(np.unique(case.train.indices))
    by_user, by_item, modulus = SCATTERED
    rows = [
        (user, item, (int(user) * by_user + int(item) * by_item) % modulus)
        for user, seen in zip(case.users, case.train, strict=True)
        for place, item in enumerate(case.items[:trained])
        if place not in seen.indices
    ]
    table = pd.DataFrame(rows, columns=["user", "item", "score"])
    return {**rankings, "Scattered": case.judge(table, list(METRICS), trained)}


def file(name: str, run: str, kind: str, cutoff: int) -> Path:
    name_of_file = f"{kind}_cutoff_{cutoff}_relthreshold_{golden.THRESHOLDS[name]}.tsv"
    return golden.GOLDEN / name / run / name_of_file


def metrics(name: str, run: str, cutoff: int) -> pd.DataFrame:
    table = pd.read_csv(file(name, run, "rec", cutoff), sep="\t", float_precision="round_trip")
    return table.set_index("model")


@pytest.mark.parametrize("cutoff", golden.CUTOFFS)
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", golden.THRESHOLDS)
def test_every_metric(name: str, run: str, cutoff: int) -> None:
    table = metrics(name, run, cutoff)
    assert table.shape == RUNS[run]
    for model, row in table.iterrows():
        for metric, value in row.items():
            found = elliot(name)[str(model)].value(str(metric), cutoff)
            assert found == pytest.approx(value, abs=1e-12), (model, metric)


def test_no_metric_is_left_out() -> None:
    held = {str(metric) for run in RUNS for metric in metrics("ratio", run, 5)}
    assert held == set(METRICS)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(("run", "cutoff"), [("", 5), ("", 10), ("", 20), ("more", 10)])
@pytest.mark.parametrize("name", golden.THRESHOLDS)
def test_every_p_value(name: str, run: str, cutoff: int, test: Literal["ttest", "wilcoxon"]) -> None:
    table = metrics(name, run, cutoff)
    models = {str(model): elliot(name)[str(model)] for model in table.index}
    found = [pair for pair in pairs(models, cutoff, test) if pair.metric in table]
    with file(name, run, f"stat_{TESTS[test]}", cutoff).open(encoding="utf-8") as lines:
        expected = [line.rstrip("\n").split("\t") for line in lines]
    assert [[*pair[:3]] for pair in found] == [fields[:3] for fields in expected]
    for pair, fields in zip(found, expected, strict=True):
        assert pair.p == pytest.approx(float(fields[3]), abs=1e-9, nan_ok=True), pair
        # Rank sums hang on the last digits of equal differences: a p-value of 1e-17 is not told to the digit.
        assert pair.p == pytest.approx(float(fields[3]), rel=1e-3, nan_ok=True), pair
