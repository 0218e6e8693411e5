"""An epoch of an extractor's training: batches, what a defense makes of them, steps, what was learned."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.augment import augment
from elliot_advrec.extractors.batches import Batch, batches, labelled_rows, order
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.curves import Curves
from elliot_advrec.extractors.defended import Carried, Defense, Learned
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.history import Epoch
from elliot_advrec.extractors.losses import classification_loss
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams


class Epochs:
    """One training's fixed parts, so that an epoch is a call with few arguments."""

    def __init__(
        self,
        extractor: Extractor,
        catalog: Catalog,
        pixels: PixelFile,
        config: TrainingConfig,
        defense: Defense | None,
        seed: int,
        device: torch.device,
        optimiser: Optimiser,
        view: FrozenExtractor,
    ) -> None:
        self.extractor, self.catalog, self.pixels, self.config = extractor, catalog, pixels, config
        self.defense, self.seed, self.device, self.optimiser = defense, seed, device, optimiser
        self.validation = labelled_rows(catalog, np.flatnonzero(catalog.split == "validation"))
        # One view for all batches: taking over the weights is cheap, building it is not.
        self.view = view

    def epoch(self, epoch: int, rows: np.ndarray, advance: Callable[[int], None], curves: Curves) -> Epoch:
        """Train on every row once and measure."""
        begun = time.perf_counter()
        chunks = order(rows, self.config.batch_size, self.seed, epoch)
        total, seen, right, judged = 0.0, 0, 0, 0
        # Of this epoch alone, so that what is kept between two epochs is whole.
        carried = Carried()
        with _repeatable(self.device, stream_seed(self.seed, "layers", epoch)):
            for position, batch in enumerate(batches(self.catalog, self.pixels, chunks, self.device)):
                share = (epoch + position / len(chunks)) / self.config.epochs
                loss, hits, known = self._step(batch, epoch, share, carried)
                total, seen = total + loss * len(batch.rows), seen + len(batch.rows)
                right, judged = right + hits, judged + known
                advance(len(batch.rows))
            advance(len(rows) - seen)
        measured = self._validate()
        # The last step of an epoch has no forward pass after it that would show what it did.
        if not (_finite(self.extractor) and np.isfinite(measured.get("loss", 0.0))):
            raise self._diverged(epoch)
        row = Epoch(
            epoch=epoch + 1,
            loss=total / seen,
            accuracy=right / judged if judged else None,
            lr=self.optimiser.lr,
            validation_loss=measured.get("loss"),
            validation_accuracy=measured.get("accuracy"),
            seconds=time.perf_counter() - begun,
        )
        curves.add(row)
        return row

    def _step(self, batch: Batch, epoch: int, share: float, carried: Carried) -> Learned:
        """All of one batch's steps: their mean loss, right categories, and pictures that have one."""
        seeds = [stream_seed(self.seed, "augment", epoch, self.catalog.ids[row]) for row in batch.rows]
        pixels = augment(batch.pixels, self.config.augmentation, Streams(seeds))
        if self.defense is not None:
            pixels = self._perturb(self.defense, batch, pixels, epoch, share)
            if self.defense.replays is not None:
                return carried.replay(
                    self.defense, pixels, share, lambda points: self._learn(batch, points, epoch)
                )
        return self._learn(batch, pixels, epoch)

    def _learn(self, batch: Batch, pixels: Tensor, epoch: int) -> Learned:
        """One optimiser step on ``pixels``, whose gradient it leaves there if they ask for one."""
        self.extractor.train()
        with self.optimiser.autocast():
            features = self.extractor(pixels)
        loss = classification_loss(
            features,
            batch.category,
            batch.attributes,
            texture_weight=self.config.texture_weight,
            label_smoothing=self.config.label_smoothing,
        ).mean()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise self._diverged(epoch)
        self.optimiser.step(loss)
        if features.category is None or batch.category is None:
            return value, 0, 0
        known = batch.category >= 0
        hits = (features.category.argmax(dim=1) == batch.category) & known
        return value, int(hits.sum()), int(known.sum())

    def _perturb(self, defense: Defense, batch: Batch, pixels: Tensor, epoch: int, share: float) -> Tensor:
        """The batch that the defense makes of ``pixels``, seen through the present weights."""
        self.view.refresh(self.extractor)
        # An attack refuses such weights as a fault of its caller; here they are the user's learning rate.
        if not _finite(self.view):
            raise self._diverged(epoch)
        seeds = [stream_seed(self.seed, "defense", epoch, self.catalog.ids[row]) for row in batch.rows]
        return defense.perturb(
            self.view, pixels, batch.category, batch.attributes, share, Streams(seeds)
        ).detach()

    def _diverged(self, epoch: int) -> UserError:
        return UserError(
            f"the training loss is no longer finite in epoch {epoch + 1}",
            where="training",
            remedy=f"lower `lr` (now {self.config.lr:g}), set `gradient_clip: 1.0` or `precision: float32`",
        )

    def _validate(self) -> dict[str, Any]:
        if not self.config.validate_epochs or not len(self.validation):
            return {}
        self.view.refresh(self.extractor)
        return evaluate(
            self.view, self.catalog, self.pixels, self.validation,
            texture_weight=self.config.texture_weight, device=self.device,
        )  # fmt: skip


def _finite(network: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())


@contextlib.contextmanager
def _repeatable(device: torch.device, seed: int) -> Any:
    """Layers draw (dropout, stochastic depth) from a seed of their own, and CUDA picks repeatable kernels."""
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True),
    ):
        torch.manual_seed(seed)
        yield
