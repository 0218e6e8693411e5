"""The adversary that training defenses share: it raises the classification losses within a small ball."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.descent import Keep
from elliot_advrec.attacks.oracle import Loss
from elliot_advrec.attacks.pgd import PGDConfig
from elliot_advrec.attacks.radius import Radius
from elliot_advrec.defenses.base import DefenseConfig
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.losses import classification_loss


class BallConfig(DefenseConfig):
    """Settings of every adversary in training."""

    eps: Radius = 0.03
    """Radius of its L-infinity ball, in pixels of [0, 1]; 0 is clean training."""


class WarmupConfig(BallConfig):
    """Settings of an adversary whose ball may grow."""

    warmup: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the training in which eps grows from 0 to its full size; 0: full from the start, as in the
    paper. Few pictures can collapse to one category under the full eps at once."""

    def radius(self, progress: float) -> float:
        """The present eps, at this share of the training in [0, 1)."""
        return self.eps * (min(1.0, progress / self.warmup) if self.warmup else 1.0)


class AdversaryConfig(BallConfig):
    """Settings of a PGD adversary in training."""

    steps: Annotated[int, Field(ge=1)] = 8
    """Gradient steps of the adversary at full strength."""
    step_rule: Literal["constant", "scaled"] = "constant"
    """Length of a step: ``constant`` is eps/steps, as in the item-to-item study; ``scaled`` is 2.5 eps/steps,
    which reaches every corner of the ball and is harder to learn from."""


def pgd_config(settings: AdversaryConfig, *, keep: Keep) -> PGDConfig:
    """PGD as the adversary runs it: one random start, `steps` steps, the best or last point kept."""
    return PGDConfig.model_validate(
        {"steps": settings.steps, "step_rule": settings.step_rule, "random_start": True, "keep": keep}
    )


def adversary_loss(extractor: FrozenExtractor, category: Tensor | None, attributes: Tensor | None) -> Loss:
    """What an adversary of the classifier minimises: the negative sum of both heads' losses.

    Args:
        extractor: whose heads are fooled.
        category: (B,) int64 of the batch, -1 where unlabelled; or None.
        attributes: (B, A) bool of the batch; or None.
    """

    def loss(pixels: Tensor, rows: Tensor) -> Tensor:
        return -classification_loss(
            extractor(pixels),
            None if category is None else category[rows],
            None if attributes is None else attributes[rows],
        )

    return loss
