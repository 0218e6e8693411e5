"""Stages that rank: each recommender over the clean catalog, and over one with the attacked images in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.lists import write_lists
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.progress import Progress
from elliot_advrec.recommenders import Recommender


def make_recommender(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Fit the recommender and evaluate it on the test split, full ranking, training items masked."""
    interactions = workspace.interactions(stage.needs["interactions"])
    embeddings = workspace.embeddings(stage.needs["embeddings"]) if "embeddings" in stage.needs else None
    recommender = stage.parts["model"](stage.parts["config"])
    recommender.fit(interactions, embeddings, seed=stage.parts["seed"], device=workspace.device)
    recommender.save(folder / "recommender")
    return _outcome(workspace, stage, recommender, interactions, folder, progress)


def make_rerank(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Put the attacked images, as 8-bit files hold them, into the catalog and rank again."""
    fitted = stage.needs["recommender"]
    attacked = workspace.arrays(stage.needs["attack"], "pairs.npz")
    recommender = workspace.recommender(fitted).with_items(attacked["attack_row"], attacked["embedding_8bit"])
    interactions = workspace.interactions(fitted.needs["interactions"])
    return _outcome(workspace, stage, recommender, interactions, folder, progress)


def _outcome(
    workspace: Workspace,
    stage: Stage,
    recommender: Recommender,
    interactions: Interactions,
    folder: Path,
    progress: Progress,
) -> Outcome:
    fitted = stage.needs.get("recommender", stage)
    evaluation = stage.parts["evaluation"]
    if fitted.settings["save_recs"]:
        ids = workspace.catalog(fitted.needs["interactions"].needs["catalog"]).ids
        write_lists(recommender, interactions, ids, fitted.settings["top_k"], folder)
    with progress.track("ranking users", len(interactions.users)) as advance:
        measured = evaluate(
            recommender,
            interactions,
            evaluation.cutoffs,
            metrics=evaluation.simple_metrics,
            relevance_threshold=evaluation.relevance_threshold,
            mask_validation=False,  # as Elliot, and as the saved lists
            advance=advance,
        )
    found: list[dict[str, Any]] = []
    for metric, k in measured:
        rate = measured.rate(metric, k)
        found.append(row(metric, rate.value, k=k, ci_low=rate.low, ci_high=rate.high, n=rate.n))
    return Outcome(rows=found)
