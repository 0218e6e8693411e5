"""The steps of a filter's training: which pictures, attacked how, and what is learned from them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import order
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.optimiser import Optimiser
from elliot_advrec.filters.base import with_gradient_of
from elliot_advrec.filters.learned import LearnedFilter
from elliot_advrec.filters.training.companion import Companion
from elliot_advrec.filters.training.config import FilterTrainingConfig, StageConfig
from elliot_advrec.filters.training.inputs import Adversary, Pictures
from elliot_advrec.filters.training.losses import PerceptualLoss, Ranking, bpr_loss, pixel_loss
from elliot_advrec.filters.training.state import Epoch
from elliot_advrec.seeding import stream_seed

Losses = dict[str, Tensor]


class Steps:
    """One training's fixed parts, so that an epoch is a call with few arguments."""

    def __init__(
        self,
        filter: LearnedFilter,
        view: FrozenExtractor,
        catalog: Catalog,
        pixels: PixelFile,
        config: FilterTrainingConfig,
        ranking: Ranking | None,
        detector: Companion | None,
        rows: np.ndarray,
        seed: int,
        device: torch.device,
    ) -> None:
        self.filter, self.view, self.catalog, self.pixels = filter, view, catalog, pixels
        self.config, self.ranking, self.detector = config, ranking, detector
        self.rows, self.seed, self.device = rows, seed, device
        self.perceptual = PerceptualLoss(view, config.perceptual_stages if config.perceptual_weight else ())
        steady = filter.steady()
        adaptive = config.knowledge == "adaptive"
        self.adversary = Adversary(
            config, steady.adaptive if adaptive else (lambda given: given), view.embed, ranking
        )

    def epoch(
        self,
        epoch: int,
        number: int,
        stage: StageConfig,
        optimiser: Optimiser,
        advance: Callable[[int], None],
    ) -> Epoch:
        """Train on every training picture once.

        Args:
            epoch: counted from 0, through all stages.
            number: the stage's, counted from 0.
            stage: what learns from what.
            optimiser: of the networks that learn.
            advance: told of every picture.

        Raises:
            UserError: a loss that is not finite.
        """
        begun, sums, seen = time.perf_counter(), dict[str, float](), 0
        cuda = [self.device] if self.device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices=cuda),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True),
        ):
            torch.manual_seed(stream_seed(self.seed, "layers", epoch))
            for chunk in order(self.rows, self.config.batch_size, self.seed, epoch):
                for name, value in self._step(chunk, epoch, stage, optimiser).items():
                    sums[name] = sums.get(name, 0.0) + value * len(chunk)
                seen += len(chunk)
                advance(len(chunk))
            advance(len(self.rows) - seen)
        means = {name: total / seen for name, total in sums.items()}
        return Epoch(epoch + 1, number + 1, means, optimiser.lr, time.perf_counter() - begun)

    def _step(
        self, chunk: np.ndarray, epoch: int, stage: StageConfig, optimiser: Optimiser
    ) -> dict[str, float]:
        """One optimiser step; the mean of each loss."""
        joint = "detector" in stage.learns
        pictures, triples = self._pictures(chunk, epoch)
        self.filter.network.eval()  # what attacks and, in the detector's stage, its examples are made by
        kinds = self._kinds(pictures.rows, epoch, stage, clean=not joint)
        targets, eps = self._targets(pictures.rows, epoch), self._eps(chunk, epoch, stage)
        attacked = self.adversary.attack(pictures, kinds, targets, eps)
        with optimiser.autocast():
            losses = self._judge(pictures, attacked, triples, stage)
            weights = [self._weight(name, stage) for name in losses]
            weighted = torch.stack([w * loss for w, loss in zip(weights, losses.values(), strict=True)]).sum()
        found = {name: float(value.detach()) for name, value in losses.items()}
        if not bool(weighted.isfinite()):
            raise UserError(
                f"the filter's training loss is no longer finite in epoch {epoch + 1}",
                where="stages",
                remedy=f"lower `lr` (now {stage.lr:g}) or set `gradient_clip: 1.0`",
            )
        optimiser.step(weighted)
        return found

    def _judge(self, pictures: Pictures, attacked: Tensor, triples: np.ndarray, stage: StageConfig) -> Losses:
        """The mean of each loss that this stage has."""
        filtering, joint = "filter" in stage.learns, "detector" in stage.learns
        clean, count = pictures.pixels, len(pictures.pixels)
        network = self.filter.network.train(filtering)
        inputs, wanted = (
            (torch.cat([clean, attacked]), clean.repeat(2, 1, 1, 1)) if joint else (attacked, clean)
        )
        with torch.set_grad_enabled(filtering):
            raw = network(inputs).float()
            shown = with_gradient_of(raw.detach().clamp(0, 1), raw)
        losses: Losses = {}
        if filtering:
            losses["pixel"] = pixel_loss(raw, wanted).mean()
            if self.perceptual.stages:
                with torch.no_grad():
                    expected = [maps.repeat(1 + joint, 1, 1, 1) for maps in self.perceptual.features(clean)]
                losses["perceptual"] = self.perceptual(shown, expected).mean()
            if self.ranking is not None and self._weight("bpr", stage) and len(triples):
                losses["bpr"] = self._bpr(pictures, shown[-count:], triples)
        if joint:
            assert self.detector is not None
            self.detector.network.train()
            losses["contrastive"] = self.detector.loss(clean, shown[:count], attacked, shown[count:]).mean()
        return losses

    def _bpr(self, pictures: Pictures, shown: Tensor, triples: np.ndarray) -> Tensor:
        """Mean BPR loss of the triples' places (t, 2) among the reconstructed pictures."""
        assert self.ranking is not None
        positive, negative = (
            self.ranking.score(pictures.users[places], pictures.rows[places], shown[places])
            for places in triples.T
        )
        return bpr_loss(positive, negative).mean()

    def _pictures(self, chunk: np.ndarray, epoch: int) -> tuple[Pictures, np.ndarray]:
        """The chunk's pictures, then its triples' negatives; and the places (t, 2) of each triple's two."""
        users, others = np.full(len(chunk), -1), np.full(len(chunk), -1)
        if self.ranking is not None:
            users, others = self.ranking.draw(chunk, self.seed, "triples", epoch)
        ranked = np.flatnonzero(others >= 0)
        rows = np.concatenate([chunk, others[ranked]])
        triples = np.stack([ranked, len(chunk) + np.arange(len(ranked))], axis=1)
        pixels = self.pixels.floats(rows).to(self.device)
        seeds = [
            stream_seed(self.seed, "attack", epoch, place >= len(chunk), self.catalog.ids[row])
            for place, row in enumerate(rows)
        ]
        raised = np.arange(len(rows)) >= len(chunk)
        return Pictures(rows, pixels, np.concatenate([users, users[ranked]]), raised, seeds), triples

    def _kinds(self, rows: np.ndarray, epoch: int, stage: StageConfig, *, clean: bool) -> list[str]:
        """How each picture is shown, drawn evenly by (seed, epoch, item)."""
        known = [*(["clean"] if clean else []), *stage.attacks]
        drawn = [stream_seed(self.seed, "kind", epoch, self.catalog.ids[row]) for row in rows]
        return [known[value % len(known)] for value in drawn]

    def _eps(self, chunk: np.ndarray, epoch: int, stage: StageConfig) -> float:
        """The radius of a step's attacks, drawn evenly by (seed, epoch, first item)."""
        known = stage.eps or (self.config.eps,)
        return known[stream_seed(self.seed, "eps", epoch, self.catalog.ids[chunk[0]]) % len(known)]

    @torch.no_grad()
    def _targets(self, rows: np.ndarray, epoch: int) -> Tensor:
        """(N, D) embeddings of another training item for each row."""
        drawn = np.array([stream_seed(self.seed, "target", epoch, self.catalog.ids[row]) for row in rows])
        others = self.rows[drawn % len(self.rows)]
        same = others == rows
        others[same] = self.rows[(drawn[same] + 1) % len(self.rows)]
        embeddings: Tensor = self.view.embed(self.pixels.floats(others).to(self.device))
        return embeddings

    def _weight(self, name: str, stage: StageConfig) -> float:
        """The stage's, where it has one, else the training's."""
        own = stage.bpr_weight if name == "bpr" else None
        weight: float = getattr(self.config, f"{name}_weight") if own is None else own
        return weight
