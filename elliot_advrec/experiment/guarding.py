"""Guards for use outside of recipes: made as a recipe says, copied out of the store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.experiment.plan import Plan, ancestors, make_plan
from elliot_advrec.experiment.runner import run_plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import disk_error
from elliot_advrec.guards.folder import DETECTOR, EXTRACTOR, FILTER, RECORD
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import GuardSpec, Recipe

GUARD = (RECORD, FILTER, DETECTOR, EXTRACTOR)
"""What a guard's folder may hold."""


def fit_guard(
    recipe: Recipe,
    workspace: Workspace,
    output: Path,
    *,
    defense: str | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Make what a defense of ``recipe`` puts in front of its extractor, and copy it to ``output``.

    What the store holds is not trained again. The recipe's first seed is used.

    Args:
        output: a folder that is empty or not there yet, or holds an earlier guard, which is replaced whole.
        defense: an entry of ``defenses`` with a filter or a detector, by name; None: the only one.

    Returns:
        ``output``.

    Raises:
        UserError: no such entry, several where none is named, a folder with something else in it, or whatever
            a run may refuse.
    """
    name = _chosen(recipe, defense)
    _free(output)
    plan = make_plan(recipe, workspace.device.type)
    seed = recipe.adversarial.seeds[0]
    made = next(s for s in plan.stages if s.kind == "guard" and s.tags == {"defense": name, "seed": seed})
    needed = {stage.key: stage for stage in (*ancestors(made), made)}
    run_plan(Plan(tuple(needed.values()), 0), workspace, progress)
    _copy(workspace, made, output)
    return output


def _free(output: Path) -> None:
    """Refuse a place that holds anything but a guard: it is replaced whole.

    Raises:
        UserError: names what else is there.
    """
    if not output.exists():
        return
    there = sorted(path.name for path in output.iterdir()) if output.is_dir() else [output.name]
    other = [name for name in there if name not in GUARD] if output.is_dir() else there
    if other or (there and RECORD not in there):
        raise UserError(
            f"there is something here already that is no guard's: {(other or there)[0]}",
            where=str(output),
            remedy="name an empty folder, or one that is not there",
        )


def _chosen(recipe: Recipe, defense: str | None) -> str:
    names = [spec.name for spec in recipe.adversarial.defenses if isinstance(spec, GuardSpec)]
    where = f"{recipe.path}: experiment.adversarial.defenses"
    if not names:
        raise UserError(
            "no defense of the recipe has a filter or a detector",
            where=where,
            remedy="add one, e.g. {filter: reconstruction, detector: contrastive}",
        )
    if defense is None and len(names) > 1:
        raise UserError(
            f"{len(names)} defenses of the recipe have a filter or a detector",
            where=where,
            remedy=f"say which: --defense {names[0]}",
        )
    if defense is not None and defense not in names:
        raise UserError(
            f"'{defense}' has neither filter nor detector", where=where, remedy=nearest(defense, names)
        )
    return defense or names[0]


def _copy(workspace: Workspace, made: Stage, output: Path) -> None:
    """The guard's files beside their place, then into it: a killed copy leaves what was there."""
    source = workspace.folder(made)
    files = [name for name in GUARD if (source / name).is_file()]
    partial = output.with_name(f".{output.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in files:
            shutil.copyfile(source / name, partial / name)
        if output.exists():
            earlier = output.with_name(f".{output.name}.earlier")
            shutil.rmtree(earlier, ignore_errors=True)
            os.replace(output, earlier)
            os.replace(partial, output)
            shutil.rmtree(earlier, ignore_errors=True)
        else:
            os.replace(partial, output)
    except OSError as error:
        raise disk_error(error, output) from error
