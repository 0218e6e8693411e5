"""A stage: one piece of work whose result is kept under the hash of all that decides it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# Raised by one whenever the code of a kind changes what it writes, so old results are not mistaken for new.
REVISION = {
    "catalog": 1,
    "interactions": 2,
    "extractor": 1,
    "filter": 3,
    "guard": 1,
    "embeddings": 1,
    "accuracy": 2,
    "search": 1,
    "recommender": 2,
    "probe": 1,
    "attack": 4,
    "rerank": 2,
    "retrain": 1,
    "exhibits": 1,
}


ATTACKED = "attacked"
"""In place of a split: the pictures that the stage's threat may attack."""


@dataclass(frozen=True)
class Stage:
    """One node of the plan.

    Attributes:
        kind: which work it is; a key of ``REVISION``.
        label: what a person reads, e.g. ``attack at pgd 64 eps 0.03``.
        settings: JSON-able; everything that decides the result beside the stages it needs.
        needs: role -> the stage whose result it reads.
        tags: columns its rows carry (defense, attack, eps, ...); names only, they decide nothing.
        parts: the built components the work uses; described by ``settings``.
        gradients: image-gradient evaluations it will take, at most.
        gradients_per_picture: on average for each picture of ``split``, where their number is not known yet.
        split: the catalog's split that ``gradients_per_picture`` counts over, or ``ATTACKED``.
        pictures: of that split, at most; None: all.
    """

    kind: str
    label: str
    settings: Mapping[str, Any]
    needs: Mapping[str, Stage] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    gradients: int = 0
    gradients_per_picture: float = 0.0
    split: str = "train"
    pictures: int | None = None

    @cached_property
    def key(self) -> str:
        """Hex digest of the kind, its revision, the settings and the keys of what it needs."""
        decides = {
            "kind": self.kind,
            "revision": REVISION[self.kind],
            "settings": self.settings,
            "needs": {role: stage.key for role, stage in sorted(self.needs.items())},
        }
        text = json.dumps(decides, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Outcome:
    """What a stage's work returns beside the files it wrote."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gradients: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """A stage with the record it left in the store; ``cached`` when it was there before this run."""

    stage: Stage
    record: dict[str, Any]
    cached: bool


def row(metric: str, value: float | None, **columns: Any) -> dict[str, Any]:
    """One result row; columns that do not apply are filled with None when rows are collected.

    Args:
        value: None where the metric has none.
    """
    return {"metric": metric, "value": value, **columns}


COLUMNS = (
    "recommender", "defense", "threat", "attack", "knowledge", "eps", "norm", "steps", "metric", "k",
    "rank_min", "value", "ci_low", "ci_high", "n", "seed",
)  # fmt: skip


def complete(row: Mapping[str, Any], tags: Mapping[str, Any]) -> dict[str, Any]:
    """The flat row as ``results.json`` holds it: all columns, in order."""
    merged = {**tags, **row}
    return {column: merged.get(column) for column in COLUMNS}
