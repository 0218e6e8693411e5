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
    refuse_failed,
)
from elliot_advrec.files import write_arrays, write_json
from elliot_advrec.hosts.cells import cells, folds
from elliot_advrec.hosts.embedded import check_writable, repeatable, store_folder
from elliot_advrec.hosts.engines import HERE, Engine
from elliot_advrec.hosts.finding import Search, require
from elliot_advrec.hosts.handover import Handed, hand_over
from elliot_advrec.hosts.inside.ours import listing
from elliot_advrec.hosts.quiet import room
from elliot_advrec.hosts.readback import (
    Measured,
    averaged,
    of_own,
    own_rows,
    read_results,
    replaced,
    result_files,
)
from elliot_advrec.hosts.suited import ElliotError, check_size, check_suited, ours_of, own_of
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
    engine: Engine = HERE,
) -> dict[str, Any]:
    """Run ``recipe``; write what the embedded host writes, with Elliot's ranking metrics in it.

    Elliot splits the interactions itself, and every clean or attacked (recommender, defense, threat, attack,
    budget) is one of its models, so its own result files hold them side by side; they lie in
    ``output/elliot/performance`` unless the recipe names a folder. Plain model names are Elliot's own models.
    Of several folds Elliot reports the best alone, so each is a run of Elliot with the fold's parts, in
    ``output/elliot/fold=1`` and so on; numbers are means over folds, as the embedded host's.

    Args:
        recipe: at least one of its models ``external.X``.
        output: gets ``results.json``, ``exhibits.npz``, ``report.html``, the TSVs and ``elliot/``.
        device: overrides the recipe's.
        store: folder of finished stages.
        progress: is told what is being done.
        engine: makes the stages.

    Returns:
        The results document.

    Raises:
        ElliotError: Elliot cannot take the recipe or its data, its split is not ours, or it stopped.
        UserError: Elliot cannot be used, its numbers are not ours, or anything that the embedded host may
            raise. Finished stages stay in the store.
    """
    found = require()
    check_suited(recipe)
    target = engine.device(device or recipe.adversarial.device)
    repeatable()
    listed = worked(recipe)
    plan = make_plan(listed, target.type)
    check_writable(output)
    workspace = Workspace(Store(store_folder(recipe, output, store)), target, recipe.adversarial.workers)
    finished = engine.run(listed, plan, workspace, progress)
    own = [model.name for model in own_of(recipe)]
    each: list[Measured] = []
    for fold, interactions in folds(plan).items():
        check_size(*workspace.interactions(interactions).train.shape)
        written = hand_over(recipe, list(cells(plan)), interactions, workspace, output / FOLDER / fold, fold)
        of = f" of {fold.replace('=', ' ')}" if fold else ""
        progress.say(
            f"Elliot {found.version} evaluates {len(cells(plan))} cells{of}; its log is {written.log}"
        )
        measured = evaluate(found, written)
        each.append(measured | of_own(own, measured))
    measured = averaged(each)
    results, arrays = collect(_ours(recipe), finished, workspace)
    metrics = recipe.experiment.evaluation.simple_metrics
    rows, largest = replaced(results["rows"], measured, metrics)
    results |= engine.account()
    results |= {"rows": rows + own_rows(own, measured, rows, metrics), "recipe": recipe.resolved()}
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
    if recipe.adversarial.strict:
        refuse_failed(results["checks"], output)
    return results


def evaluate(found: Search, handed: Handed) -> Measured:
    """Run a recipe of Elliot's in Elliot, and read the metrics it wrote.

    Args:
        found: which Elliot.
        handed: the recipe and its folders.

    Raises:
        ElliotError: Elliot stopped, or wrote nothing.
        UserError: what our models inside it raise.
    """
    assert found.folder is not None
    before = result_files(handed.performance)
    try:
        with room(found.folder, handed.log):
            importlib.import_module("elliot.run").run_experiment(str(handed.recipe))
    except UserError:
        raise
    except Exception as error:  # Elliot raises bare exceptions, and whatever its libraries raise
        raise ElliotError(
            f"Elliot stopped: {type(error).__name__}: {error}",
            where=str(handed.recipe),
            remedy=f"{handed.log} has what it said; the embedded host runs the recipe too",
        ) from error
    after = result_files(handed.performance)
    written = [path for path, changed in after.items() if before.get(path) != changed]
    if not written:
        raise ElliotError(
            "Elliot wrote no results", where=str(handed.performance), remedy=f"see {handed.log}"
        )
    return read_results(written)


def worked(recipe: Recipe) -> Recipe:
    """The recipe that our engine works through for Elliot: its lists are all kept, for Elliot asks for them.

    Raises:
        UserError: the data cannot be found.
    """
    return listing(_ours(recipe))


def _ours(recipe: Recipe) -> Recipe:
    """The recipe with the models that come through our door alone."""
    names = ours_of(recipe)
    return replace(recipe, models=tuple(model for model in recipe.models if model.name in names))


def _saved(recipe: Recipe, finished: list[Finished]) -> list[Finished]:
    """The stages of models whose lists the recipe asks for."""
    asked = {model.name for model in recipe.models if model.meta.save_recs}
    return [done for done in finished if done.stage.tags.get("recommender") in asked]
