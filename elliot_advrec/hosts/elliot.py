"""The Elliot host: our engine does the work of the cells, Elliot evaluates each as one of its models."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from elliot_advrec import report
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import (
    Finished,
    Store,
    Workspace,
    collect,
    collect_lists,
    make_plan,
    resolve_device,
    run_plan,
)
from elliot_advrec.files import write_arrays, write_json
from elliot_advrec.hosts.cells import cells
from elliot_advrec.hosts.embedded import check_writable, repeatable, store_folder
from elliot_advrec.hosts.finding import Search, require
from elliot_advrec.hosts.handover import hand_over, ours_of
from elliot_advrec.hosts.inside.ours import listing
from elliot_advrec.hosts.quiet import room
from elliot_advrec.hosts.readback import Measured, elliots_own, read_results, replaced, result_files
from elliot_advrec.progress import SILENT, Progress
from elliot_advrec.recipe import Recipe

FOLDER = "elliot"
"""Below the output: Elliot's recipe, data, log, and results where the recipe names no folder for them."""


def run(
    recipe: Recipe,
    output: Path,
    *,
    device: str | None = None,
    store: Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Run ``recipe``; write what the embedded host writes, with Elliot's ranking metrics in it.

    Elliot splits the interactions itself, and every clean or attacked (recommender, defense, threat, attack,
    budget) is one of its models, so its own result files hold them side by side; they lie in
    ``output/elliot/performance`` unless the recipe names a folder. Plain model names are Elliot's own models.

    Args:
        recipe: at least one of its models ``external.X``.
        output: gets ``results.json``, ``exhibits.npz``, ``report.html``, the TSVs and ``elliot/``.
        device: overrides the recipe's.
        store: folder of finished stages.
        progress: is told what is being done.

    Returns:
        The results document.

    Raises:
        UserError: Elliot cannot be used, it stopped, its split or its numbers are not ours, or anything that
            the embedded host may raise. Finished stages stay in the store.
    """
    found = require()
    _one_split(recipe)
    target = resolve_device(device or recipe.adversarial.device)
    repeatable()
    check_writable(output)
    ours = _ours(recipe)
    plan = make_plan(listing(ours), target.type)
    workspace = Workspace(Store(store_folder(recipe, output, store)), target, recipe.adversarial.workers)
    finished = run_plan(plan, workspace, progress)
    interactions = next(stage for stage in plan.stages if stage.kind == "interactions")
    written = hand_over(recipe, list(cells(plan)), interactions, workspace, output / FOLDER)
    log = output / FOLDER / "elliot.log"
    progress.say(f"Elliot {found.version} evaluates {len(cells(plan))} cells; its log is {log}")
    performance = recipe.experiment.path_output_rec_performance or output / FOLDER / "performance"
    measured = evaluate(found, written, performance, log)
    results, arrays = collect(ours, finished, workspace)
    rows, largest = replaced(results["rows"], measured, recipe.experiment.evaluation.simple_metrics)
    plain = [model.name for model in recipe.models if model.name not in ours_of(recipe)]
    results |= {"rows": rows + elliots_own(plain, measured, rows), "recipe": recipe.resolved()}
    results["versions"]["elliot"] = found.version
    results["host"] = {"name": "elliot", "folder": str(found.folder), "largest_difference": largest}
    results["notes"] = [
        *results["notes"],
        f"Ranking metrics are those of Elliot {found.version}; they differ from the embedded engine's by"
        f" at most {largest:.1e}.",
    ]
    write_arrays(output / "exhibits.npz", arrays, compressed=True)
    write_json(output / "results.json", results)
    progress.say("writing the report")
    report.write(output, results, arrays)
    collect_lists(_saved(recipe, finished), workspace, output / "recs")
    return results


def evaluate(found: Search, recipe: Path, performance: Path, log: Path) -> Measured:
    """Run a recipe of Elliot's in Elliot, and read the metrics it wrote.

    Args:
        found: which Elliot.
        recipe: the file.
        performance: the folder of results that it names.
        log: gets what Elliot prints.

    Raises:
        UserError: Elliot stopped, or wrote nothing.
    """
    assert found.folder is not None
    before = result_files(performance)
    try:
        with room(found.folder, log):
            importlib.import_module("elliot.run").run_experiment(str(recipe))
    except UserError:
        raise
    except Exception as error:  # Elliot raises bare exceptions, and whatever its libraries raise
        raise UserError(
            f"Elliot stopped: {type(error).__name__}: {error}",
            where=str(recipe),
            remedy=f"{log} has what it said; the embedded host runs the recipe too",
        ) from error
    written = [path for path, changed in result_files(performance).items() if before.get(path) != changed]
    if not written:
        raise UserError("Elliot wrote no results", where=str(performance), remedy=f"see {log}")
    return read_results(written)


def _one_split(recipe: Recipe) -> None:
    """Refuse folds: Elliot keeps the best test fold alone, and says nowhere which one that was."""
    splitting = recipe.experiment.splitting
    given = recipe.experiment.data_config
    parts = () if given is not None and given.fixed() is not None else vars(splitting).items()
    for name, part in parts:
        if getattr(part, "folds", 1) > 1:
            raise UserError(
                f"Elliot reports the best of {part.folds} folds alone, and cells are compared on one split",
                where=f"{recipe.path}: experiment.splitting.{name}.folds",
                remedy="set folds: 1, or run with --host embedded",
            )


def _ours(recipe: Recipe) -> Recipe:
    """The recipe with the models that come through our door alone."""
    names = ours_of(recipe)
    if not names:
        raise UserError(
            "no model of the recipe is this package's, all are Elliot's own",
            where=f"{recipe.path}: experiment.models",
            remedy="write external.ContentKNN",
        )
    return replace(recipe, models=tuple(model for model in recipe.models if model.name in names))


def _saved(recipe: Recipe, finished: list[Finished]) -> list[Finished]:
    """The stages of models whose lists the recipe asks for."""
    asked = {model.name for model in recipe.models if model.meta.save_recs}
    return [done for done in finished if done.stage.tags.get("recommender") in asked]
