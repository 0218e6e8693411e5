"""Free adversarial training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from elliot_advrec.defenses.adversary import WarmupConfig
from elliot_advrec.defenses.base import TrainingDefense
from elliot_advrec.extractors.config import TrainingConfig
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class FreeConfig(WarmupConfig):
    """Settings of FreeAdversarialTraining."""

    m: Annotated[int, Field(ge=1)] = 4
    """Replays: how often in a row each batch is trained on. The epochs of the training are divided by it."""
    step: Annotated[float, Field(gt=0.0)] = 1.0
    """Length of the perturbation's step after each replay, in multiples of eps; 1 as in the paper."""


class FreeAdversarialTraining(TrainingDefense):
    """Free adversarial training: m replays a batch, one backward pass moves weights and pixels.

    Shafahi et al. 2019, algorithm 1: the perturbation climbs along the sign of the gradient that the weights'
    own update leaves on the pixels, and is carried from batch to batch. An epoch is m steps on every batch,
    so the epochs asked for are divided by m, to the nearest whole number and 1 at least, and the work is that
    of clean training. The perturbation restarts at 0 with each epoch, so that a killed training goes on to
    the same result. The adversary raises the loss that the weights minimise, label smoothing included.
    """

    config_class = FreeConfig
    config: FreeConfig

    def training(self, clean: TrainingConfig) -> TrainingConfig:
        asked = super().training(clean)
        return asked.model_copy(update={"epochs": max(1, round(asked.epochs / self.config.m))})

    @property
    def replays(self) -> int:
        return self.config.m

    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        # No gradient is known before the first pass; what the last batch left is added by the training.
        return pixels

    def ascend(self, change: Tensor, gradient: Tensor, progress: float) -> Tensor:
        eps = self.config.radius(progress)
        # A scaled fp16 gradient may overflow: such a step moves neither the weights nor the pixels.
        steps = gradient.sign().nan_to_num_(0.0)
        return change.add(steps, alpha=self.config.step * eps).clamp_(-eps, eps)

    def gradient_evaluations(self, progress: float) -> float:
        return 0
