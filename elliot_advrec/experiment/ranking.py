"""Stages that rank: each recommender over the clean catalog, and over one with the attacked images in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.exposing import exposure_rows
from elliot_advrec.experiment.fitting import fit
from elliot_advrec.experiment.judging import measure, ranking_rows
from elliot_advrec.experiment.lists import write_lists
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.progress import Progress
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.recommendation_folder import ProxyRecommender

MEASURED = "measured.npz"
"""Every user's values, for paired tests and for means over folds."""


def make_recommender(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Fit the recommender and evaluate it on the test split, full ranking, training items masked."""
    if "fitted" in stage.needs:
        return _shielded(workspace, stage, folder, progress)
    config = chosen_settings(workspace, stage)
    interactions = stage.needs["interactions"]
    seen = stage.needs.get("embeddings")
    recommender = fit(workspace, stage, interactions, seen, config, folder / "training", progress)
    recommender.save(folder / "recommender")
    notes = recommender.notes if isinstance(recommender, ProxyRecommender) else []
    extra: dict[str, Any] = {"config": config.model_dump(mode="json")}
    history = getattr(recommender, "history", None)
    if history is not None:
        extra["history"] = history.to_json()
    rows = ranked(workspace, stage, recommender, workspace.interactions(interactions), folder, progress)
    return Outcome(rows=rows, notes=notes, extra=extra)


def _shielded(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """The recommender as it was fitted, over the catalog as a filter shows it."""
    seen = workspace.embeddings(stage.needs["embeddings"])
    fitted = stage.needs["fitted"]
    recommender = workspace.recommender(fitted).with_items(np.arange(len(seen)), seen)
    recommender.save(folder / "recommender")
    interactions = workspace.interactions(stage.needs["interactions"])
    rows = ranked(workspace, stage, recommender, interactions, folder, progress)
    return Outcome(rows=rows, extra={"config": workspace.record(fitted)["config"]})


def make_rerank(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Put the attacked images, as 8-bit files hold them, into the catalog and rank again."""
    fitted = stage.needs["recommender"]
    attacked = workspace.arrays(stage.needs["attack"], "pairs.npz")
    recommender = workspace.recommender(fitted).with_items(attacked["attack_row"], attacked["embedding_8bit"])
    interactions = workspace.interactions(fitted.needs["interactions"])
    rows = ranked(workspace, stage, recommender, interactions, folder, progress)
    return Outcome(rows=rows + exposure_rows(workspace, stage, recommender, interactions))


def chosen_settings(workspace: Workspace, stage: Stage) -> Config:
    """The model's settings; those that its search found, where there was one."""
    config: Config = stage.parts["config"]
    if "search" in stage.needs:
        record = workspace.record(stage.needs["search"])
        config = stage.parts["space"].config(record["trials"][record["best"]]["settings"])
    return config


def ranked(
    workspace: Workspace,
    stage: Stage,
    recommender: Recommender,
    interactions: Interactions,
    folder: Path,
    progress: Progress,
) -> list[dict[str, Any]]:
    """The rows of a stage that ranks; each user's values, and lists where they are asked for, as files."""
    fitted, known_only = stage.needs.get("recommender", stage), stage.parts["known_only"]
    if fitted.settings["save_recs"]:
        ids = workspace.catalog(fitted.needs["interactions"].needs["catalog"]).ids
        length = fitted.settings["top_k"]
        write_lists(recommender, interactions, ids, length, folder, known_only=known_only)
    with progress.track("ranking users", len(interactions.users)) as advance:
        measured = measure(
            recommender, interactions, stage.parts["evaluation"], known_only=known_only, advance=advance
        )
    measured.save(folder / MEASURED)
    return ranking_rows(measured)
