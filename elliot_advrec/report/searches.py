"""What a search tried for a model's settings, and which of them won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Document, Search, Trial
from elliot_advrec.report.labels import count, number
from elliot_advrec.report.table import Block, Column, Entry, Table, table

_LOSS = "training loss"
_DIGITS = 4


def chosen_table(document: Document) -> Table | None:
    """One row a search: the settings that won, and by what."""
    rows = []
    for search in document.searches:
        by, best = _criterion(document, search), search.trials[search.best]
        value, tried = Entry(_value(best, by)), Entry(count(len(search.trials)))
        rows.append((Entry(_name(search)), tried, Entry(_settings(best), strong=True), Entry(by), value))
    columns = [
        Column("Search", numeric=False),
        Column("Candidates"),
        Column("Chosen settings", numeric=False),
        Column("Chosen by", numeric=False),
        Column("Value"),
    ]
    note = "The other settings are those of the recipe. Every candidate's test results are in the TSVs."
    return table("Searched settings", columns, [Block("", tuple(rows))], (note,))


def trial_tables(document: Document) -> list[Table]:
    """A table a search: every candidate, the best first; equal ones, and those without a value, as tried."""
    found = []
    for search in document.searches:
        by = _criterion(document, search)
        order = sorted(enumerate(search.trials), key=lambda each: _rank(each[1]))
        rows = tuple(
            (
                Entry(str(place + 1)),
                Entry(_settings(trial), strong=place == search.best),
                Entry(_value(trial, by), strong=place == search.best),
            )
            for place, trial in order
        )
        columns = [Column("Tried as"), Column("Settings", numeric=False), Column(by)]
        found.append(table(f"All candidates of {_name(search)}", columns, [Block("", rows)]))
    return [one for one in found if one is not None]


def _criterion(document: Document, search: Search) -> str:
    """``training loss``, or the metric of the validation part: what the recipe's ``meta`` asks for."""
    models = document.experiment.get("models") or {}
    settings = models.get(search.recommender) or models.get(f"external.{search.recommender}") or {}
    meta: Mapping[str, Any] = settings.get("meta") or {}
    if meta.get("optimize_internal_loss"):
        return _LOSS
    evaluation = document.experiment.get("evaluation") or {}
    first = {key: next(iter(evaluation.get(key) or ()), None) for key in ("simple_metrics", "cutoffs")}
    chosen = str(meta.get("validation_metric") or first["simple_metrics"] or "metric")
    return plain(chosen if "@" in chosen or first["cutoffs"] is None else f"{chosen}@{first['cutoffs']}")


def _name(search: Search) -> str:
    return plain(search.name.removeprefix("search of "))


def _settings(trial: Trial) -> str:
    return plain(", ".join(f"{key}: {_short(value)}" for key, value in trial.settings.items()))


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rank(trial: Trial) -> float:
    return float("inf") if trial.loss is None else trial.loss


def _value(trial: Trial, by: str) -> str:
    if trial.loss is None:
        return "no number"
    return number(trial.loss if by == _LOSS else -trial.loss, _DIGITS)
