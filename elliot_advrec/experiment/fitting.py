"""Fitting one recommender on one fold, with all that it may draw on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
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
    *,
    instead: np.ndarray | None = None,
) -> Recommender:
    """The recommender of ``stage`` with ``config``, fitted.

    Args:
        stage: a recommender or a search, with the model in its ``parts``.
        interactions: the fold.
        embeddings: of the fold's items; None where the model sees none.
        config: the model's settings.
        training: folder where a training keeps its state, of this fit alone; gone in the end.
        progress: shows epochs.
        instead: (N, D) embeddings to learn from in place of that stage's.

    Raises:
        UserError: lists longer than the catalog, and whatever the fit refuses; says where the model stands.
    """
    parts, kind = stage.parts, stage.parts["model"]
    fold = workspace.interactions(interactions)
    if not issubclass(kind, ProxyRecommender):
        _check_length(parts, fold)
    catalog_stage = interactions.needs["catalog"]
    recommender: Recommender = kind(config)
    recommender.context = FitContext(
        categories=workspace.catalog(catalog_stage).category if kind.uses_categories else None,
        pixels=workspace.pixels(catalog_stage) if kind.uses_pixels else None,
        folder=training if kind.trained else None,
        progress=progress,
        selection=parts["selection"],
        known_only=parts["known_only"],
    )
    if isinstance(recommender, ProxyRecommender):
        ids = workspace.catalog(catalog_stage).ids
        recommender.item_ids, recommender.candidates = ids, fold.test_candidates
        recommender.length = needed_length(parts["evaluation"], parts["top_k"], len(ids))
    if kind.trained:
        training.mkdir(parents=True, exist_ok=True)
    seen = instead
    if seen is None and embeddings is not None:
        seen = workspace.embeddings(embeddings)
    try:
        recommender.fit(fold, seen, seed=parts["seed"], device=workspace.device)
    except UserError as error:
        raise error.at(parts["where"]) from error
    shutil.rmtree(training, ignore_errors=True)
    return recommender


def _check_length(parts: Mapping[str, Any], fold: Interactions) -> None:
    """Refuse lists that are longer than what there is to recommend, as Elliot does."""
    items = int(fold.trained().sum()) if parts["known_only"] else fold.train.shape[1]
    if parts["top_k"] > items:
        of = "items with training rows" if parts["known_only"] else "items of the catalog"
        raise UserError(
            f"top_k {parts['top_k']} is larger than the number of {of}, {items}",
            where=f"{parts['path']}: experiment.top_k",
            remedy=f"write at most {items}",
        )
