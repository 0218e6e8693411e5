"""Splits, filters and negatives are those that Elliot itself made, row by row and in its order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import TypeAdapter

from elliot_advrec.component import validate
from elliot_advrec.data.negatives import NegativeSampling, candidates
from elliot_advrec.data.prefilters import Prefilters, binarize, prefilter
from elliot_advrec.data.private_ids import private_items
from elliot_advrec.data.splits import Split, save_folds, split_folds
from elliot_advrec.data.splitting.settings import Splitting
from elliot_advrec.data.tsv import read

GOLDEN = Path(__file__).parents[1] / "golden" / "elliot"
SMALL = GOLDEN / "small"
LEAVE_ONE = {"strategy": "random_subsampling", "leave_n_out": 1}

SPLITS: dict[str, tuple[dict[str, Any], ...]] = {
    "fixed_timestamp": ({"strategy": "fixed_timestamp", "timestamp": "1600500000"},),
    "best_timestamp": ({"strategy": "fixed_timestamp", "timestamp": "best"},),
    "best_timestamp_min": (
        {"strategy": "fixed_timestamp", "timestamp": "best", "min_below": 3, "min_over": 2},
    ),
    "temporal_ratio": ({"strategy": "temporal_hold_out", "test_ratio": 0.3},),
    "temporal_leave": ({"strategy": "temporal_hold_out", "leave_n_out": 2},),
    "random_ratio_folds": ({"strategy": "random_subsampling", "test_ratio": 0.3, "folds": 3},),
    "random_leave_folds": ({**LEAVE_ONE, "folds": 2},),
    "cross_validation": ({"strategy": "random_cross_validation", "folds": 3},),
    "nested_random": (
        {"strategy": "random_subsampling", "test_ratio": 0.25, "folds": 2},
        {"strategy": "random_subsampling", "test_ratio": 0.3, "folds": 2},
    ),
    "nested_cross": ({"strategy": "random_cross_validation", "folds": 2},) * 2,
    "nested_mixed": (
        {"strategy": "temporal_hold_out", "leave_n_out": 1},
        {"strategy": "random_subsampling", "test_ratio": 0.2},
    ),
}
FILTERS: dict[str, Any] = {
    "global_threshold": {"strategy": "global_threshold", "threshold": 3},
    "global_average": {"strategy": "global_threshold", "threshold": "average"},
    "user_average": {"strategy": "user_average"},
    "user_k_core": {"strategy": "user_k_core", "core": 6},
    "item_k_core": {"strategy": "item_k_core", "core": 4},
    "iterative_k_core": {"strategy": "iterative_k_core", "core": 4},
    "n_rounds_k_core": {"strategy": "n_rounds_k_core", "core": 5, "rounds": 2},
    "cold_users": {"strategy": "cold_users", "threshold": 6},
    "in_turn": [
        {"strategy": "global_threshold", "threshold": 2},
        {"strategy": "user_average"},
        {"strategy": "item_k_core", "core": 2},
    ],
}


def section(*parts: dict[str, Any]) -> Splitting:
    names = ("test_splitting", "validation_splitting")
    return validate(Splitting, dict(zip(names, parts, strict=False)), "splitting")


def filtered(frame: pd.DataFrame, settings: Any) -> pd.DataFrame:
    return prefilter(frame, TypeAdapter(Prefilters).validate_python(settings), [])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.tsv"))}


@pytest.mark.parametrize("case", SPLITS)
def test_every_file_of_a_split_is_the_one_that_elliot_wrote(case: str, tmp_path: Path) -> None:
    data = read(SMALL / "interactions.tsv")
    save_folds(split_folds(data, section(*SPLITS[case]), seed=42), tmp_path)
    assert files(tmp_path) == files(SMALL / "splits" / case)


@pytest.mark.parametrize("case", FILTERS)
def test_filters_keep_the_rows_that_elliot_kept(case: str) -> None:
    data = read(SMALL / "interactions.tsv")
    kept = filtered(data, FILTERS[case])
    pd.testing.assert_frame_equal(kept, read(SMALL / "filters" / f"{case}.tsv"))
    assert 0 < len(kept) < len(data)


def test_filters_then_ones_then_the_split_as_in_elliot(tmp_path: Path) -> None:
    data = binarize(filtered(read(SMALL / "interactions.tsv"), FILTERS["iterative_k_core"]))
    plan = section({"strategy": "random_subsampling", "test_ratio": 0.2})
    save_folds(split_folds(data, plan, seed=42), tmp_path)
    assert files(tmp_path) == files(SMALL / "splits" / "binarize")


@pytest.mark.parametrize(
    ("folder", "amount", "filters"),
    [
        ("ratio", {"test_ratio": 0.2}, []),
        ("leave1", {"leave_n_out": 1}, []),
        ("kcore", {"test_ratio": 0.2}, {"strategy": "iterative_k_core", "core": 8}),
    ],
)
def test_whole_recipes_split_as_in_elliot(
    folder: str, amount: dict[str, Any], filters: Any, tmp_path: Path
) -> None:
    data = filtered(read(GOLDEN / "interactions.tsv"), filters)
    plan = section({"strategy": "random_subsampling", **amount})
    save_folds(split_folds(data, plan, seed=42), tmp_path)
    for name in ("train.tsv", "test.tsv"):
        assert (tmp_path / "0" / name).read_bytes() == (GOLDEN / folder / name).read_bytes()
    other = split_folds(data, plan, seed=43)[0][0]
    assert not other.test.equals(read(GOLDEN / folder / "test.tsv"))


@pytest.mark.parametrize(
    ("case", "sampling", "test_splitting"),
    [
        ("negatives_random", {"strategy": "random", "num_items": 7}, LEAVE_ONE),
        (
            "negatives_random_folds",
            {"strategy": "random", "num_items": 5},
            {"strategy": "random_cross_validation", "folds": 2},
        ),
        (
            "negatives_fixed",
            {"strategy": "fixed", "files": [str(SMALL / "negatives_fixed" / "negative.tsv")]},
            LEAVE_ONE,
        ),
    ],
)
def test_negatives_are_those_of_elliot(
    case: str, sampling: dict[str, Any], test_splitting: dict[str, Any], tmp_path: Path
) -> None:
    data = read(SMALL / "interactions.tsv")
    items = sorted(data["item"].unique())
    folds = split_folds(data, section(test_splitting), seed=42)
    if sampling["strategy"] == "random":
        sampling = {**sampling, "file_path": tmp_path / "negative.tsv"}
    made = candidates(validate(NegativeSampling, sampling, "negative_sampling"), folds, items)
    assert len(made) == len(list((SMALL / case).glob("candidates_*.tsv")))
    for number, (found,) in enumerate(made):
        expected = lines(SMALL / case / f"candidates_{number}.tsv")
        assert found.users == [line[0] for line in expected]
        for row, (_, *names) in enumerate(expected):
            assert {items[column] for column in found.test[row].indices} == set(names)
        assert found.validation is None
    if "file_path" in sampling:
        assert (tmp_path / "negative.tsv").read_bytes() == (SMALL / case / "negative.tsv").read_bytes()


@pytest.mark.parametrize(
    ("case", "test_splitting"),
    [
        ("negatives_random", LEAVE_ONE),
        ("negatives_random_folds", {"strategy": "random_cross_validation", "folds": 2}),
    ],
)
def test_items_are_numbered_as_in_elliot(case: str, test_splitting: dict[str, Any]) -> None:
    folds: list[list[Split]] = split_folds(read(SMALL / "interactions.tsv"), section(test_splitting))
    for number, (one,) in enumerate(folds):
        assert private_items(one.train) == [line[0] for line in lines(SMALL / case / f"items_{number}.tsv")]


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]
