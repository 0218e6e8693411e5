"""Elliot's own result files of a finished run: metrics, triplets, trials, paired tests, best settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from elliot_advrec.experiment import Finished, Workspace
from elliot_advrec.experiment.averaging import by_cell, mean_rows, one_ranking, read_folds
from elliot_advrec.hosts.cells import cell_name
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.recipe import ModelSpec, Recipe
from elliot_advrec.recipe.spec import GIVEN
from elliot_advrec.report.elliot_files import BestModel, ElliotFiles
from elliot_advrec.report.elliot_names import elliot_name

Values = dict[tuple[str, int], float]


def write_elliot(recipe: Recipe, finished: list[Finished], workspace: Workspace, folder: Path) -> list[Path]:
    """Write the files that Elliot would into ``folder``.

    Models of a plain recipe have Elliot's names (of the first fold's settings, where each fold searched its
    own), and the tables of metrics hold these. In a recipe with a
    catalog a model is a cell; its metrics are in the tables of the report, and here are triplets and tests.

    Args:
        recipe: as it was run.
        finished: all of its stages.
        workspace: where their results are.
        folder: ``path_output_rec_performance``.

    Returns:
        What was written.

    Raises:
        UserError: a stage's files are damaged, or the folder cannot be written.
    """
    experiment, evaluation = recipe.experiment, recipe.experiment.evaluation
    files = ElliotFiles(folder, evaluation.relevance_threshold)
    specs = {model.name: model for model in recipe.models}
    cells = {_name(recipe, specs, folds[0]): folds for folds in by_cell(finished).values()}
    values = {name: _values(folds, workspace, evaluation.simple_metrics) for name, folds in cells.items()}
    written: list[Path] = []
    if recipe.plain:
        written += files.metrics(values)
        best = [_best(specs, name, folds[0]) for name, folds in cells.items()]
        written += files.best(best, evaluation.simple_metrics[0], evaluation.cutoffs[0])
    if experiment.print_results_as_triplets:
        written += files.triplets(values)
    searches = [done for done in finished if done.stage.kind == "search"]
    for done in searches:
        model = specs[done.stage.tags["recommender"]]
        # Elliot names the table by the model alone; several defenses, seeds or folds have one each.
        alone = sum(other.stage.tags == done.stage.tags for other in searches) == 1
        search = model.name if alone else done.stage.label.removeprefix("search of ")
        tried = _tried(model, done)
        written += files.metrics(tried, search)
        if experiment.print_results_as_triplets:
            written += files.triplets(tried, search)
    tests: list[Literal["ttest", "wilcoxon"]] = []
    if evaluation.paired_ttest:
        tests.append("ttest")
    if evaluation.wilcoxon_test:
        tests.append("wilcoxon")
    if tests:
        rankings = _rankings(cells, workspace)
        for test in tests:
            written += files.tests(rankings, evaluation.cutoffs, test)
    return written


def _name(recipe: Recipe, specs: dict[str, ModelSpec], done: Finished) -> str:
    if not recipe.plain:
        return cell_name(done.stage.tags)
    model = specs[done.stage.tags["recommender"]]
    if model.kind in GIVEN:
        return model.name
    name = elliot_name(model.kind, _settings(model, done))
    return name if len(recipe.adversarial.seeds) == 1 else f"{name}~seed={done.stage.tags['seed']}"


def _settings(model: ModelSpec, done: Finished) -> dict[str, Any]:
    """The hyper-parameters that the recipe gives, or that the search found."""
    config = done.record["config"]
    found = {key: config[key] for key in model.given}
    if model.component.trained and config.get("seed") is None:
        found["seed"] = done.stage.tags["seed"]
    if "random_seed" in config and config["random_seed"] is None:
        found["random_seed"] = done.stage.tags["seed"]
    if model.component.trained:
        found["batch_size"] = config["batch_size"]
    return found


def _best(specs: dict[str, ModelSpec], name: str, done: Finished) -> BestModel:
    model = specs[done.stage.tags["recommender"]]
    history = done.record.get("history")
    meta = model.meta.model_dump(mode="json", exclude_unset=True)
    configuration = {} if model.kind in GIVEN else {key: done.record["config"][key] for key in model.given}
    return BestModel(name, meta, configuration, None if history is None else history["best"])


def _values(folds: list[Finished], workspace: Workspace, metrics: Sequence[str]) -> Values:
    """What Elliot measures too: a stage that ranks attacked pictures has rows of its threat besides."""
    rows = folds[0].record["rows"] if len(folds) == 1 else mean_rows(read_folds(folds, workspace))
    return {
        (row["metric"], row["k"]): math.nan if row["value"] is None else row["value"]
        for row in rows
        if row["metric"] in metrics
    }


def _tried(model: ModelSpec, done: Finished) -> dict[str, Values]:
    """Elliot's table of a search: the test results of every candidate, each under its name."""
    models: dict[str, Values] = {}
    fixed = {key: done.stage.settings["config"][key] for key in model.given}
    for trial in done.record["trials"]:
        found: Values = {}
        for name, value in trial["test"].items():
            metric, _, k = name.rpartition("@")
            found[metric, int(k)] = math.nan if value is None else value
        models[elliot_name(model.kind, {**fixed, **trial["settings"]})] = found
    return models


def _rankings(cells: dict[str, list[Finished]], workspace: Workspace) -> dict[str, Ranking]:
    folds = {name: read_folds(found, workspace) for name, found in cells.items()}
    users = pd.Index(
        np.unique(np.concatenate([np.asarray(f.users, object) for each in folds.values() for f in each]))
    )
    return {name: one_ranking(found, users) for name, found in folds.items()}
