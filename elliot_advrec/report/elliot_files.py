"""Elliot's result files: its names, columns and order, to the letter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from elliot_advrec.files import atomic
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.metrics.significance import pairs
from elliot_advrec.report.tsv import escape

Values = Mapping[tuple[str, int], float]
"""(metric, cutoff) -> number; nan where it has none."""

TESTS: dict[Literal["ttest", "wilcoxon"], str] = {"ttest": "paired_ttest", "wilcoxon": "wilcoxon_test"}


class BestModel(NamedTuple):
    """A model that was run, or the best of those that a search tried."""

    name: str
    """Elliot's name of it, see ``elliot_names.elliot_name``."""
    meta: Mapping[str, Any]
    """The recipe's ``meta`` section of the model."""
    configuration: Mapping[str, Any]
    """Its hyper-parameters as the recipe gives them, or as the search chose them."""
    best_iteration: int | None = None
    """The epoch whose lists were best, from 1; None: it is not trained in epochs."""


@dataclass(frozen=True)
class ElliotFiles:
    """A folder of Elliot's result files.

    Every writer raises ``UserError`` where the folder cannot be written, and returns the paths it wrote.
    """

    folder: Path
    """Elliot's ``path_output_rec_performance``."""
    relevance_threshold: float
    """Elliot's ``evaluation.relevance_threshold``."""
    time: datetime | None = None
    """Put at the end of names, as Elliot does; None: it is not, and a run again writes the same names."""

    def metrics(self, models: Mapping[str, Values], search: str | None = None) -> list[Path]:
        """``rec_cutoff_{k}_relthreshold_{t}_{time}.tsv``: a row a model, a column a metric.

        Args:
            models: name -> values; a metric that one of them lacks is left empty.
            search: the recommender whose trials these are (``rec_{search}_cutoff_...``); None: best models.
        """
        return [
            self._table(self._stem("rec", search), k, ["model", *names], self._rows(models, names, k))
            for k, names in _columns(models).items()
        ]

    def triplets(self, models: Mapping[str, Values], search: str | None = None) -> list[Path]:
        """``triplets_rec_cutoff_...``: the same numbers as model, metric and value (Elliot's
        ``print_results_as_triplets``); what is empty has no line."""
        written = []
        for k, names in _columns(models).items():
            lines = (
                [model, name, value]
                for model, *row in self._rows(models, names, k)
                for name, value in zip(names, row, strict=True)
                if value is not None
            )
            stem = self._stem("triplets_rec", search)
            written.append(self._table(stem, k, ["model", "metric", "value"], lines))
        return written

    def tests(
        self, models: Mapping[str, Ranking], cutoffs: Sequence[int], test: Literal["ttest", "wilcoxon"]
    ) -> list[Path]:
        """``stat_paired_ttest_cutoff_...`` or ``stat_wilcoxon_test_cutoff_...``, which have no heading.

        Args:
            models: name -> what was measured of its lists.
            cutoffs: a file for each.
            test: which test.
        """
        return [
            self._table(f"stat_{TESTS[test]}", k, None, ([*pair] for pair in pairs(models, k, test)))
            for k in cutoffs
        ]

    def best(self, models: Sequence[BestModel], metric: str, cutoff: int) -> list[Path]:
        """``bestmodelparams_cutoff_{k}_relthreshold_{t}_{time}.json``: settings to run the models again with.

        Args:
            models: in the order of the recipe.
            metric: the first metric of the recipe, which models are chosen by.
            cutoff: the first cutoff of the recipe.
        """
        head = {
            "default_validation_metric": metric,
            "default_validation_cutoff": cutoff,
            "rel_threshold": _whole(self.relevance_threshold),
        }
        entries = [
            {
                "meta": dict(model.meta),
                "recommender": model.name,
                "configuration": {
                    **model.configuration,
                    "name": model.name,
                    **({} if model.best_iteration is None else {"best_iteration": model.best_iteration}),
                },
            }
            for model in models
        ]
        path = self._path("bestmodelparams", cutoff, "json")
        with atomic(path) as temporary:
            temporary.write_text(json.dumps([head, *entries], indent=4, allow_nan=False), "utf-8")
        return [path]

    @staticmethod
    def _stem(stem: str, search: str | None) -> str:
        # A recommender's name is free text of the recipe: it may not lead out of the folder.
        return stem if search is None else f"{stem}_{search.replace('/', '%2f')}"

    @staticmethod
    def _rows(models: Mapping[str, Values], names: Sequence[str], k: int) -> Iterable[list[Any]]:
        for model, values in models.items():
            row = [values.get((name, k), math.nan) for name in names]
            yield [model, *(None if math.isnan(value) else float(value) for value in row)]

    def _table(
        self, stem: str, k: int, header: Sequence[str] | None, rows: Iterable[Sequence[object]]
    ) -> Path:
        path = self._path(stem, k, "tsv")
        lines = [*([header] if header is not None else []), *rows]
        with atomic(path) as temporary:
            text = "".join("\t".join(map(escape, line)) + "\n" for line in lines)
            temporary.write_text(text, "utf-8", newline="\n")
        return path

    def _path(self, stem: str, k: int, suffix: str) -> Path:
        time = "" if self.time is None else self.time.strftime("_%Y_%m_%d_%H_%M_%S")
        return (
            self.folder / f"{stem}_cutoff_{k}_relthreshold_{_whole(self.relevance_threshold)}{time}.{suffix}"
        )


def _columns(models: Mapping[str, Values]) -> dict[int, list[str]]:
    """Each cutoff -> the metrics that some model has there, in the order they are met."""
    found: dict[int, dict[str, None]] = {}
    for values in models.values():
        for metric, k in values:
            found.setdefault(k, {})[metric] = None
    return {k: list(names) for k, names in found.items()}


def _whole(number: float) -> float | int:
    """4.0 as the 4 that a recipe says."""
    return int(number) if float(number).is_integer() else float(number)
