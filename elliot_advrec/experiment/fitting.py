"""Fitting one recommender on one fold, with all that it may draw on."""

from __future__ import annotations

import shutil
from pathlib import Path

from elliot_advrec.component import Config
from elliot_advrec.experiment.judging import needed_length
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.progress import Progress
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.context import FitContext
from elliot_advrec.recommenders.recommendation_folder import ProxyRecommender


def fit(
    workspace: Workspace,
    stage: Stage,
    interactions: Stage,
    embeddings: Stage | None,
    config: Config,
    training: Path,
    progress: Progress,
) -> Recommender:
    """The recommender of ``stage`` with ``config``, fitted.

    Args:
        stage: a recommender or a search, with the model in its ``parts``.
        interactions: the fold.
        embeddings: of the fold's items; None where the model sees none.
        config: the model's settings.
        training: folder where a training keeps its state, of this fit alone; gone in the end.
        progress: shows epochs.

    Raises:
        UserError: whatever the fit refuses.
    """
    parts, kind = stage.parts, stage.parts["model"]
    fold = workspace.interactions(interactions)
    catalog_stage = interactions.needs["catalog"]
    recommender: Recommender = kind(config)
    recommender.context = FitContext(
        categories=workspace.catalog(catalog_stage).category if kind.uses_categories else None,
        pixels=workspace.pixels(catalog_stage) if kind.uses_pixels else None,
        folder=training if kind.trained else None,
        progress=progress,
        selection=parts["selection"],
    )
    if isinstance(recommender, ProxyRecommender):
        ids = workspace.catalog(catalog_stage).ids
        recommender.item_ids, recommender.candidates = ids, fold.test_candidates
        recommender.length = needed_length(parts["evaluation"], parts["top_k"], len(ids))
    if kind.trained:
        training.mkdir(parents=True, exist_ok=True)
    seen = None if embeddings is None else workspace.embeddings(embeddings)
    recommender.fit(fold, seen, seed=parts["seed"], device=workspace.device)
    shutil.rmtree(training, ignore_errors=True)
    return recommender
