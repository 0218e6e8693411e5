"""Elliot's result files as result rows, held against those of our own engine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import Any

import pandas as pd

from elliot_advrec.errors import UserError
from elliot_advrec.hosts.cells import cell_name
from elliot_advrec.hosts.suited import ElliotError

TOLERANCE = 1e-9
"""How far Elliot's number may be from ours, absolutely or relative to a number above 1."""
FILE = re.compile(r"rec_cutoff_(\d+)_relthreshold_.*\.tsv")

Measured = dict[tuple[str, str, int], float | None]
"""(model, metric, cut-off) -> value; None where it is not defined."""


def result_files(folder: Path) -> dict[Path, int]:
    """Elliot's metric tables in a folder, with the time of their last change."""
    return {
        path: path.stat().st_mtime_ns for path in folder.glob("rec_cutoff_*.tsv") if FILE.match(path.name)
    }


def read_results(files: Iterable[Path]) -> Measured:
    """What the tables say.

    Raises:
        UserError: one is no table of Elliot's.
    """
    found: Measured = {}
    for path in files:
        named = FILE.match(path.name)
        try:
            table = pd.read_csv(path, sep="\t", float_precision="round_trip", dtype={"model": str})
            rows = table.set_index("model").to_dict("index")
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"Elliot's results cannot be read ({error})", where=str(path)) from error
        cutoff = int(named[1]) if named else 0
        found |= {
            (str(model), str(metric), cutoff): None if math.isnan(value) else float(value)
            for model, each in rows.items()
            for metric, value in each.items()
        }
    return found


def replaced(
    rows: Iterable[dict[str, Any]], measured: Measured, metrics: Iterable[str]
) -> tuple[list[dict[str, Any]], float]:
    """The rows with Elliot's ranking metrics in the place of ours.

    Args:
        rows: of ``results.json``, of the recommenders that came through our door.
        measured: Elliot's.
        metrics: names of ranking metrics.

    Returns:
        The rows, and the largest difference met.

    Raises:
        UserError: Elliot has no number for a cell, or another than ours.
    """
    wanted, largest, found = set(metrics), 0.0, []
    for row in rows:
        if row["metric"] in wanted and row["k"] is not None and row["recommender"] is not None:
            name = cell_name(row)
            if (name, row["metric"], row["k"]) not in measured:
                raise UserError(f"Elliot's results lack {row['metric']}@{row['k']} of {name}")
            value = measured[name, row["metric"], row["k"]]
            difference = _difference(value, row["value"])
            if difference > TOLERANCE:
                raise UserError(
                    f"Elliot's {row['metric']}@{row['k']} of {name} is {value!r}, ours {row['value']!r}",
                    remedy="the recommendation lists are the same, so this is a fault: please report it",
                )
            largest, row = max(largest, difference), {**row, "value": value}
        found.append(row)
    return found, largest


def _difference(theirs: float | None, ours: float | None) -> float:
    """Absolute, or relative above 1; infinite where only one of them is a number."""
    if theirs is None or ours is None:
        return 0.0 if theirs is ours else math.inf
    return abs(theirs - ours) / max(1.0, abs(theirs))


def of_own(models: Iterable[str], measured: Measured) -> Measured:
    """The numbers of Elliot's own models by the recipe's names: Elliot puts settings behind a name.

    Args:
        models: names in the recipe.
        measured: Elliot's.

    Raises:
        ElliotError: there are no numbers of a model.
    """
    names = sorted({name for name, _, _ in measured})
    found: Measured = {}
    for model in models:
        named = [name for name in names if name == model or name.startswith(f"{model}_")]
        if not named:
            raise ElliotError(f"Elliot's results lack its own {model}")
        written = model if model in named else named[0]
        found |= {(model, metric, k): v for (name, metric, k), v in measured.items() if name == written}
    return found


def averaged(folds: Sequence[Measured]) -> Measured:
    """Means over folds; None where a fold has no value, or no such model."""
    keys = dict.fromkeys(key for fold in folds for key in fold)
    found: Measured = {}
    for key in keys:
        values = [value for fold in folds if (value := fold.get(key)) is not None]
        found[key] = fsum(values) / len(values) if len(values) == len(folds) else None
    return found


def own_rows(
    models: Iterable[str], measured: Measured, rows: Iterable[Mapping[str, Any]], metrics: Iterable[str]
) -> list[dict[str, Any]]:
    """Rows of Elliot's own models, which no defense changes: the same numbers beside every defense and seed.

    Args:
        models: their names in the recipe.
        measured: Elliot's, with ``of_own`` in it.
        rows: with clean ones of our cells for every defense and seed, whose users are the same.
        metrics: names of ranking metrics.

    Raises:
        ElliotError: there is no such number.
    """
    wanted, places = set(metrics), dict[tuple[Any, ...], Mapping[str, Any]]()
    for row in rows:
        clean = row["threat"] is None and row["recommender"] is not None
        if clean and row["metric"] in wanted and row["k"] is not None:
            places.setdefault((row["defense"], row["seed"], row["metric"], row["k"]), row)
    found = []
    for model in models:
        for (_, _, metric, k), row in places.items():
            if (model, metric, k) not in measured:
                raise ElliotError(f"Elliot's results lack {metric}@{k} of its own {model}")
            value = measured[model, metric, k]
            found.append({**row, "recommender": model, "value": value, "ci_low": None, "ci_high": None})
    return found
