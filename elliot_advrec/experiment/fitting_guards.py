"""Stages of what stands in front of an extractor: its training, and what is kept of it with a threshold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.detectors import DETECTORS, Detector
from elliot_advrec.detectors.contrastive import Contrastive
from elliot_advrec.errors import UserError
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.files import write_arrays
from elliot_advrec.filters import FILTERS, Filter
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.filters.training import Ranking, train
from elliot_advrec.guards import Guard
from elliot_advrec.guards.folder import DETECTOR, FILTER
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.progress import Progress
from elliot_advrec.recipe import GuardSpec
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.scores import pair_scores

BATCH = 32
CLEAN = "clean.npz"
"""Scores of the clean pictures that neither filter nor detector nor threshold has seen."""


def make_filter(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Train a filter, and a detector beside it where that learns too."""
    parts, seed = stage.parts, stage.parts["seed"]
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    filter: LearnedFilter = FILTERS.get(parts["filter"].kind)(parts["filter"].config, seed=seed)  # type: ignore[call-arg, assignment]
    detector: Contrastive | None = None
    if parts["detector"] is not None:
        detector = Contrastive(parts["detector"].config, seed=seed, image_size=pixels.size)
    try:
        history = train(
            filter,
            workspace.extractor(stage.needs["extractor"]),
            catalog,
            pixels,
            parts["training"],
            ranking=_ranking(workspace, stage),
            detector=detector,
            seed=seed,
            device=workspace.device,
            folder=folder / "training",
            progress=progress,
        )
    except UserError as error:
        raise error.at(parts["where"]) from error
    filter.to("cpu").save(folder / FILTER)
    if detector is not None:
        detector.to("cpu").save(folder / DETECTOR)
    shutil.rmtree(folder / "training")
    gradients = round(len(catalog.rows_of("train")) * stage.gradients_per_picture)
    return Outcome(gradients=gradients, extra={"history": [asdict(epoch) for epoch in history.epochs]})


def make_guard(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Put filter and detector together, set the threshold on validation pictures, keep all of it."""
    spec: GuardSpec = stage.parts["spec"]
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    trained = workspace.folder(stage.needs["filter"]) if "filter" in stage.needs else None
    filter, detector = _filter(spec, trained), _detector(spec, trained)
    guard = Guard(
        filter,
        detector,
        pixels.size,
        extractor=workspace.extractor(stage.needs["extractor"]),
        seed=stream_seed("guard", stage.parts["seed"]),
        about={"recipe": stage.parts["recipe"], "defense": spec.name},
    ).to(workspace.device)
    rows: list[dict[str, Any]] = []
    extra: dict[str, Any] = {"threshold": None}
    if detector is not None:
        try:
            guard.calibrate(_batches(pixels, catalog.ids, catalog.rows_of("validation")))
        except UserError as error:
            raise error.at(spec.where) from error
        unseen = catalog.rows_of("test")
        scores = [guard.score(*batch).cpu().numpy() for batch in _batches(pixels, catalog.ids, unseen)]
        suspicion = np.concatenate([np.empty(0, np.float32), *scores])
        write_arrays(folder / CLEAN, {"suspicion": suspicion})
        rows, extra["threshold"] = _rows(suspicion, detector.threshold), detector.threshold
    guard.to("cpu").save(folder)
    return Outcome(rows=rows, extra=extra)


def _filter(spec: GuardSpec, trained: Path | None) -> Filter | None:
    """The recipe's filter, with the weights of its training where it has one."""
    if spec.filter is None:
        return None
    kind = FILTERS.get(spec.filter.kind)
    if trained is None or not issubclass(kind, LearnedFilter):
        return kind(spec.filter.config)
    found = kind.load(trained / FILTER)
    # Filters that differ at inference alone share a training, so the file's settings may be another one's.
    config: Any = spec.filter.config
    found.config = config.model_copy(update={kind.weights_setting: "none"})
    return found


def _detector(spec: GuardSpec, trained: Path | None) -> Detector | None:
    if spec.detector is None:
        return None
    config: Any = spec.detector.config
    kind = DETECTORS.get(spec.detector.kind)
    if trained is None or not issubclass(kind, Contrastive):
        return kind(config)
    found = kind.load(trained / DETECTOR)
    found.config = config.model_copy(update={kind.weights_setting: "none"})
    found.threshold = found.config.threshold
    return found


def _ranking(workspace: Workspace, stage: Stage) -> Ranking | None:
    """The recommender whose BPR loss counts: every training interaction, with an item that was not taken."""
    fitted = stage.needs.get("recommender")
    if fitted is None:
        return None
    recommender = workspace.recommender(fitted)
    taken = workspace.interactions(fitted.needs["interactions"]).train
    view = FrozenExtractor(workspace.extractor(stage.needs["extractor"])).to(workspace.device)
    own = workspace.catalog(stage.needs["catalog"]).rows_of("train")

    def score(user: np.ndarray, rows: np.ndarray, shown: Tensor) -> Tensor:
        return pair_scores(recommender, user, rows, view.embed(shown))

    return Ranking(draw_triples(taken, own, stream_seed("triples", stage.parts["seed"])), score)


def draw_triples(taken: csr_matrix, own: np.ndarray, seed: int) -> np.ndarray:
    """(T, 3) int64 of user, item and another item, one for each interaction.

    Args:
        taken: (U, N) training interactions.
        own: rows of the catalog's training split, the only ones that others are drawn from: their pictures
            are learned from too, and neither threshold nor detection may rest on pictures that were.
        seed: decides the draws.
    """
    users, items = taken.nonzero()
    random, matrix = np.random.default_rng(seed), taken.tocsr()
    others = own[random.integers(len(own), size=len(users))]
    # Those that were taken after all are drawn again; a few that stay do no harm.
    for _ in range(10):
        again = np.asarray(matrix[users, others]).ravel() != 0
        others[again] = own[random.integers(len(own), size=int(again.sum()))]
    return np.stack([users, items, others], axis=1).astype(np.int64)


def _batches(pixels: PixelFile, ids: list[str], rows: np.ndarray) -> Iterator[tuple[Tensor, list[str]]]:
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        yield pixels.floats(some), [ids[item] for item in some]


def _rows(suspicion: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """The threshold, and how many clean pictures it flags."""
    found = [row("detection_threshold", threshold)]
    if len(suspicion):
        # In double precision, as the detector compares them.
        flagged = int((suspicion.astype(np.float64) > threshold).sum())
        low, high = wilson(flagged, len(suspicion))
        value = flagged / len(suspicion)
        found.append(row("flagged_clean", value, ci_low=low, ci_high=high, n=len(suspicion)))
    return found
