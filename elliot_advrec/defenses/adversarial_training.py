"""Adversarial training."""

from __future__ import annotations

from torch import Tensor

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.pgd import PGD
from elliot_advrec.defenses.adversary import AdversaryConfig, WarmupConfig, adversary_loss, pgd_config
from elliot_advrec.defenses.base import TrainingDefense
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class AdversarialTrainingConfig(AdversaryConfig, WarmupConfig):
    """Settings of AdversarialTraining."""


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
        # The last point is what Madry et al. train on, and it spares the bookkeeping of the best one.
        attack = PGD(pgd_config(settings, keep="last"))
        loss = adversary_loss(extractor, category, attributes)
        return attack(loss, pixels, Budget("linf", settings.radius(progress)), streams).images

    def gradient_evaluations(self, progress: float) -> float:
        return self.config.steps if self.config.eps > 0 else 0
