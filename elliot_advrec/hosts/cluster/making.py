"""One stage, made in a process of the cluster by the same work as in a run on one machine."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Stage, Store, Workspace, make_plan, make_stage, resolve_device
from elliot_advrec.experiment.plan import ancestors
from elliot_advrec.experiment.results import device_name
from elliot_advrec.hosts.cluster.board import PATIENCE, Board, BoardProgress, await_finished
from elliot_advrec.hosts.embedded import repeatable
from elliot_advrec.memory import peak_mb
from elliot_advrec.recipe import load

WITHOUT_NETWORK = ("catalog", "interactions")
"""Kinds of stages that need no GPU."""


def make(store: str, run: str, key: str, planned: str, patience: float = PATIENCE) -> dict[str, Any]:
    """Make the stage of that key, or find that it was made.

    Args:
        store: root of the store.
        run: name of the board in it, which holds the recipe.
        key: the stage's.
        planned: ``cpu`` or ``cuda``, what the plan was made for.
        patience: seconds in which what the stage needs must be seen.

    Returns:
        Plain data: ``made``, ``host``, ``device``, ``memory`` in MiB; or ``refused``: what, where, remedy.
    """
    try:
        stages, workspace = _ready(store, run, planned)
        stage = stages.get(key)
        if stage is None:
            raise UserError(
                f"the recipe has another plan on {platform.node()}",
                remedy="its data, weights and this package must be the same on every machine",
            )
        if stage.kind not in WITHOUT_NETWORK:
            workspace.device = resolve_device(planned)
        _await_needs(stage, workspace, patience)
        _, cached = make_stage(workspace, stage, BoardProgress(Board(Path(store), run), key, platform.node()))
    except UserError as error:
        return {"refused": [error.what, error.where, error.remedy]}
    return {
        "made": not cached,
        "host": platform.node(),
        "device": device_name(workspace.device),
        "memory": peak_mb(),
    }


@lru_cache(maxsize=1)
def _ready(store: str, run: str, planned: str) -> tuple[dict[str, Stage], Workspace]:
    """The plan's stages by key, and the artefacts that stages of one process share."""
    repeatable()
    recipe = load(Board(Path(store), run).recipe, resolved=True)
    plan = make_plan(recipe, planned)
    workspace = Workspace(Store(Path(store)), resolve_device("cpu"), recipe.adversarial.workers)
    return {stage.key: stage for stage in plan.unique()}, workspace


def _await_needs(stage: Stage, workspace: Workspace, patience: float) -> None:
    """Another machine has finished them; here they may be seen a little later.

    Raises:
        UserError: they are not.
    """
    for need in {needed.key: needed for needed in ancestors(stage)}.values():
        entry = workspace.store.entry(need.kind, need.key)
        await_finished(entry, patience, f"'{need.label}' is finished, and {platform.node()} does not see it")
