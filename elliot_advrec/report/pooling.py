"""Rows of several seeds brought together into one number a cell."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from elliot_advrec.metrics.rates import wilson
from elliot_advrec.report.document import Row

RATES = frozenset(
    {
        "success_rate",
        "success_rate_8bit",
        "success_rate_resubmitted",
        "success_rate_clean",
        "detection_accuracy",
        "detection_tpr",
        "detection_tpr_at_1_fpr",
        "flagged",
        "flagged_clean",
        "detected_accounts",
        "accuracy",
        "top5_accuracy",
        "adversarial_accuracy",
        "texture_top1_precision",
    }
)
"""Metrics that are shares of n trials: pooled by adding up trials, with a Wilson interval."""
P_VALUE = "p_value_vs_none"
_INDEXED = ("metric", "defense", "attack")
"""What cells are found by at once, in this order."""


class Key(NamedTuple):
    """What a number was measured on, the seed aside."""

    recommender: str | None
    defense: str | None
    threat: str | None
    attack: str | None
    knowledge: str | None
    norm: str | None
    eps: float | None
    steps: int | None
    metric: str
    k: int | None
    rank_min: int | None


@dataclass(frozen=True)
class Pooled:
    """One number over all seeds.

    Attributes:
        key: what it was measured on.
        value: pooled share of a rate, mean of anything else, the largest of p-values.
        low: lower end of the 95 % interval, where there is one.
        high: upper end of the 95 % interval, where there is one.
        n: trials over all seeds.
        spread: sample standard deviation over seeds; None for one seed and for rates.
        seeds: how many rows went in.
    """

    key: Key
    value: float
    low: float | None
    high: float | None
    n: int | None
    spread: float | None
    seeds: int


class Pool:
    """All cells of an experiment, in the order they were written."""

    def __init__(self, rows: Iterable[Row]) -> None:
        groups: dict[Key, list[Row]] = {}
        for row in rows:
            if row.value is not None:
                groups.setdefault(Key(*(getattr(row, field) for field in Key._fields)), []).append(row)
        self._keep([_pool(key, group) for key, group in groups.items()])

    def _keep(self, cells: list[Pooled]) -> None:
        self._cells = cells
        self._index: dict[tuple[Any, ...], list[Pooled]] = {}
        for cell in cells:
            place = tuple(getattr(cell.key, field) for field in _INDEXED)
            for depth in range(1, len(place) + 1):
                self._index.setdefault(place[:depth], []).append(cell)

    def __len__(self) -> int:
        return len(self._cells)

    def only(self, **where: Any) -> Pool:
        """A pool of those cells alone that ``select`` gives."""
        found = Pool(())
        found._keep(self.select(**where))
        return found

    def select(self, **where: Any) -> list[Pooled]:
        """Cells whose key has these values; a list or set stands for any of its members."""
        # Nearly every question names its metric, most a defense too, and a long run has thousands of cells.
        place: list[str | None] = []
        for field in _INDEXED:
            if field not in where or not isinstance(where[field], str | None):
                break
            place.append(where.pop(field))
        found = self._index.get(tuple(place), []) if place else self._cells
        for field, wanted in where.items():
            allowed = wanted if isinstance(wanted, list | set | tuple | frozenset) else (wanted,)
            found = [cell for cell in found if getattr(cell.key, field) in allowed]
        return found

    def one(self, **where: Any) -> Pooled | None:
        """The first cell with these values."""
        return next(iter(self.select(**where)), None)

    def distinct(self, field: str, **where: Any) -> list[Any]:
        """The values of a field among matching cells, in order of appearance."""
        return list(dict.fromkeys(getattr(cell.key, field) for cell in self.select(**where)))


def _pool(key: Key, rows: list[Row]) -> Pooled:
    values = [row.value for row in rows if row.value is not None]
    counted = [row.n for row in rows if row.n]
    n = sum(counted) if len(counted) == len(rows) else None
    if len(rows) == 1 and rows[0].ci_low is not None and rows[0].ci_high is not None:
        return Pooled(key, values[0], rows[0].ci_low, rows[0].ci_high, n, None, 1)
    if key.metric in RATES and n is not None and all(0 <= value <= 1 for value in values):
        successes = sum(round(value * trials) for value, trials in zip(values, counted, strict=True))
        return Pooled(key, successes / n, *wilson(successes, n), n, None, len(rows))
    spread = statistics.stdev(values) if len(values) > 1 else None
    # p-values of seeds are not independent evidence to combine: the largest one is the careful one.
    value = max(values) if key.metric == P_VALUE else statistics.fmean(values)
    return Pooled(key, value, None, None, n, None if key.metric == P_VALUE else spread, len(rows))
