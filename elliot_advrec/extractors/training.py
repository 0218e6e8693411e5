"""Training of an extractor, clean or with a training defense; it continues where it was killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import check_heads, labelled_rows, order
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.curves import open_curves
from elliot_advrec.extractors.defended import Defense
from elliot_advrec.extractors.epochs import Epochs
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor, Precision
from elliot_advrec.extractors.history import History
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.extractors.resume import TrainingState, fingerprint
from elliot_advrec.processes import ALONE, Group
from elliot_advrec.progress import SILENT, Progress


def train(
    extractor: Extractor,
    catalog: Catalog,
    pixels: PixelFile,
    config: TrainingConfig,
    *,
    defense: Defense | None = None,
    adversary: Precision = "float32",
    seed: int = 0,
    device: str | torch.device = "cpu",
    folder: Path,
    progress: Progress = SILENT,
    group: Group = ALONE,
) -> History:
    """Train both heads and the backbone on the training split, in place.

    The state after each epoch is kept in ``folder``; called again with the same arguments, training continues
    there and ends with the same weights, bit for bit, as one that was never interrupted.

    Args:
        extractor: what learns; ends on ``device``, in the mode it came in.
        catalog: labels and splits; heads and catalog must name the same labels.
        pixels: of the catalog's rows.
        config: how it learns.
        defense: changes each batch before it is trained on; its attacks run on a frozen view that is
            refreshed each batch, so they touch neither the extractor's mode nor its BatchNorm statistics.
        adversary: number format of that view; bf16 also where the training itself is in bf16.
        seed: decides order, augmentation, dropout and the defense's randomness.
        device: where to train.
        folder: where the state of this training is kept.
        progress: shows one unit a picture, and may raise to stop.
        group: processes that train the same extractor: they share the adversary's work, batch by batch, and
            each takes every step on the whole batch, so that BatchNorm sees what it sees in one process. The
            first keeps the state, in a folder that all see.

    Raises:
        UserError: nothing to learn from, a loss that is not finite, a folder of another training, or a full
            disk.
    """
    check_heads(extractor, catalog)
    rows = labelled_rows(catalog, np.flatnonzero(catalog.split == "train"))
    if len(rows) < 2:
        raise UserError(
            f"the training split has {len(rows)} labelled items",
            remedy="training needs at least 2, best hundreds",
        )
    place = torch.device(device)
    was_training = extractor.training
    extractor.to(place).to(memory_format=torch.channels_last)
    steps = len(order(rows, config.batch_size, seed, 0))
    replays = (defense.replays if defense is not None else None) or 1
    optimiser = Optimiser(extractor, config, steps * config.epochs * replays, place)
    state = TrainingState(folder, fingerprint(extractor, catalog, rows, config, defense, adversary, seed))
    history = state.restore(extractor, optimiser)
    view = FrozenExtractor(extractor, "bf16" if optimiser.in_bf16 else adversary, group=group).to(place)
    run = Epochs(extractor, catalog, pixels, config, defense, seed, place, optimiser, view)
    done = len(history.epochs)
    _agree(group, done, folder)
    try:
        with (
            open_curves(config.tensorboard and group.first, folder, done) as curves,
            progress.track("training the extractor", len(rows) * config.epochs) as advance,
        ):
            advance(len(rows) * done)
            for epoch in range(done, config.epochs):
                group.take_over(extractor)
                history.epochs.append(run.epoch(epoch, rows, advance, curves))
                progress.detail(history.epochs[-1].line(config.epochs))
                if group.first:
                    state.keep(extractor, optimiser, history)
    finally:
        extractor.train(was_training)
    return history


def _agree(group: Group, done: int, folder: Path) -> None:
    """Wait until every process has read the state, which the first will replace or drop.

    Raises:
        UserError: they found different ones.
    """
    counts = group.gather(torch.tensor([done]), group.size).tolist()
    if len(set(counts)) > 1:
        raise UserError(
            f"the processes found different states of this training: after {counts} epochs",
            where=str(folder),
            remedy="the store must be one folder that all processes share",
        )
