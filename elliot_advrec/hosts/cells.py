"""Names of cells: how Elliot's models, files and result rows tell one cell from the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from elliot_advrec.experiment import Plan, Stage

LONGEST = 180
"""Bytes of a name: Elliot makes file names of it, with an ending of its own."""
KINDS = ("recommender", "rerank")


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


def cells(plan: Plan) -> dict[str, Stage]:
    """Every cell of a plan and the stage that ranks it, the clean ones included, in the plan's order."""
    return {cell_name(stage.tags): stage for stage in plan.stages if stage.kind in KINDS}


def _safe(label: Any) -> str:
    return quote(str(label), safe=" ")
