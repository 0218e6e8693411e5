"""Adversarial training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.pgd import PGD
from elliot_advrec.defenses.adversary import AdversaryConfig, adversary_loss, pgd_config
from elliot_advrec.defenses.base import TrainingDefense
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class AdversarialTrainingConfig(AdversaryConfig):
    """Settings of AdversarialTraining."""

    warmup: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the training in which eps grows from 0 to its full size; 0: full from the start, as in the
    paper. Few pictures can collapse to one category under the full eps at once."""


class AdversarialTraining(TrainingDefense):
    """Adversarial training: every batch is replaced by its PGD examples (Madry et al. 2018, eq. 2.1).

    The adversary starts at random in the ball and maximises the losses of both heads; training minimises them
    at the point it ends at.
    """

    config_class = AdversarialTrainingConfig
    config: AdversarialTrainingConfig

    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        settings = self.config
        eps = settings.eps * (min(1.0, progress / settings.warmup) if settings.warmup else 1.0)
        # The last point is what Madry et al. train on, and it spares the bookkeeping of the best one.
        attack = PGD(pgd_config(settings, keep="last"))
        loss = adversary_loss(extractor, category, attributes)
        return attack(loss, pixels, Budget("linf", eps), streams).images

    def gradient_evaluations(self, progress: float) -> float:
        return self.config.steps if self.config.eps > 0 else 0
