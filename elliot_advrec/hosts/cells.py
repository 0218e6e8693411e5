"""Names of cells: how Elliot's models, files and result rows tell one cell from the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from elliot_advrec.experiment import Plan, Stage
from elliot_advrec.experiment.plan import RANKED

LONGEST = 180
"""Bytes of a name: Elliot makes file names of it, with an ending of its own."""


def cell_name(tags: Mapping[str, Any]) -> str:
    """The name of a cell from the columns of its rows, in the manner of Elliot's own model names.

    ``ContentKNN_defense=at_threat=item_to_item_attack=pgd_steps=16_norm=linf_eps=0.03_seed=1``; without an
    attack the columns in between are left out. Labels of a recipe may hold any character, names hold none
    that a file name cannot.
    """
    parts = [_safe(tags["recommender"]), f"defense={_safe(tags['defense'])}"]
    if tags.get("attack") is not None:
        parts += [f"{key}={_safe(tags[key])}" for key in ("threat", "attack", "steps", "norm")]
        parts.append(f"eps={float(tags['eps'])!r}")
    name = "_".join([*parts, f"seed={tags['seed']}"])
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 13]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def cells(plan: Plan) -> dict[str, list[Stage]]:
    """Every cell of a plan, clean ones included, in its order; with the stages that rank it, one a fold."""
    found: dict[str, list[Stage]] = {}
    for stage in plan.stages:
        if stage.kind in RANKED:
            found.setdefault(cell_name(stage.tags), []).append(stage)
    return found


def folds(plan: Plan) -> dict[str, Stage]:
    """The interactions of every fold by its name, which is empty where there is one, else ``fold=2``."""
    found = [stage for stage in plan.unique() if stage.kind == "interactions"]
    return {fold_name(stage): stage for stage in found}


def fold_name(stage: Stage) -> str:
    """What files are called by the fold of a stage."""
    return str(stage.parts["suffix"]).removeprefix(", ").replace(" ", "=")


def _safe(label: Any) -> str:
    return quote(str(label), safe=" ")
