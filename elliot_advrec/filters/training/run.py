"""Training of a filter, and of a detector beside it; it continues where it was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import order
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.filters.training.companion import Companion
from elliot_advrec.filters.training.config import FilterTrainingConfig
from elliot_advrec.filters.training.losses import Ranking
from elliot_advrec.filters.training.state import History, TrainingState, digest
from elliot_advrec.filters.training.steps import Steps
from elliot_advrec.progress import SILENT, Progress


def train(
    filter: LearnedFilter,
    extractor: Extractor,
    catalog: Catalog,
    pixels: PixelFile,
    config: FilterTrainingConfig,
    *,
    ranking: Ranking | None = None,
    detector: Companion | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    folder: Path,
    progress: Progress = SILENT,
) -> History:
    """Train a filter on the training split, in place, by the stages of ``config``.

    L = pixel + alpha perceptual + beta contrastive + gamma BPR (Yin et al. 2023, eq. 12). The extractor and
    the recommender stay as they are. The state after each epoch is kept in ``folder``; called again with the
    same arguments (and the same first weights), training continues there and ends with the same weights, bit
    for bit, as one that was never interrupted. A filter with weights is fine-tuned.

    Args:
        filter: what learns; ends on ``device``, in evaluation mode. A random last step is not used.
        extractor: what the pictures are for; attacked and asked for feature maps.
        catalog: ids and splits; labels are not needed.
        pixels: of the catalog's rows.
        config: how it learns.
        ranking: a fitted recommender; without one there is no BPR loss, and attacks move embeddings.
        detector: learns in the stages that say so; ends on ``device``, in evaluation mode.
        seed: decides order, which pictures are attacked and how, and layers that draw.
        device: where to train.
        folder: where the state of this training is kept.
        progress: shows one unit a picture, and may raise to stop.

    Raises:
        UserError: nothing to learn from, no stage that can be run, a loss that is not finite, a stage that
            the extractor does not have, a folder of another training, or a full disk.
    """
    rows = catalog.rows_of("train")
    if len(rows) < 2:
        raise UserError(
            f"the training split has {len(rows)} items", remedy="a filter needs at least 2, best hundreds"
        )
    stages = config.parts(detector is not None)
    if not stages:
        raise UserError(
            "every stage trains the detector alone, and there is none",
            where="stages",
            remedy="add a stage with `learns: [filter]`, or a detector",
        )
    place = torch.device(device)
    networks = {"filter": filter.network} | ({} if detector is None else {"detector": detector.network})
    state = TrainingState(
        folder, _identity(filter, extractor, catalog, rows, config, ranking, detector, seed)
    )
    for network in networks.values():
        network.to(place)
    history, slots, rest = state.restore(networks)
    view = FrozenExtractor(extractor).to(place)
    steps = Steps(filter, view, catalog, pixels, config, ranking, detector, rows, seed, place)
    total = sum(stage.epochs for stage in stages)
    chunks = len(order(rows, config.batch_size, seed, 0))
    before = 0
    try:
        with progress.track("training the filter", len(rows) * total) as advance:
            advance(len(rows) * len(history.epochs))
            for number, stage in enumerate(stages):
                done = len(history.epochs) - before
                if done < stage.epochs:
                    learning = nn.ModuleDict({name: networks[name] for name in stage.learns})
                    learning.requires_grad_(True)
                    optimiser = Optimiser(learning, config.optimisation(stage), chunks * stage.epochs, place)
                    if done:
                        optimiser.restore(slots, rest)
                    for epoch in range(before + done, before + stage.epochs):
                        history.epochs.append(steps.epoch(epoch, number, stage, optimiser, advance))
                        progress.detail(history.epochs[-1].line(total))
                        state.keep(networks, optimiser, history)
                    learning.requires_grad_(False)
                before += stage.epochs
    finally:
        for network in networks.values():
            network.eval().requires_grad_(False)
    return history


def _identity(
    filter: LearnedFilter,
    extractor: Extractor,
    catalog: Catalog,
    rows: np.ndarray,
    config: FilterTrainingConfig,
    ranking: Ranking | None,
    detector: Companion | None,
    seed: int,
) -> dict[str, Any]:
    """What decides a training's result; two that differ must not share a folder."""
    return {
        "training": config.model_dump(mode="json"),
        "filter": [type(filter).__name__, filter.config.model_dump(mode="json", exclude={"weights"})],
        "first_weights": digest(filter.network.state_dict()),
        "extractor": digest(extractor.state_dict()),
        "items": digest([catalog.ids[row] for row in rows]),
        "triples": None if ranking is None else digest(ranking.triples),
        "detector": None
        if detector is None
        else [detector.describe(), digest(detector.network.state_dict())],
        "seed": seed,
    }
