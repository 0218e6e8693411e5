"""Training on noisy pictures: what robustness costs nothing, before any adversary is in the loop."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from elliot_advrec.defenses import DefenseConfig, TrainingDefense
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class NoiseTrainingConfig(DefenseConfig):
    """Settings of NoiseTraining."""

    eps: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    """Radius of the uniform noise, in pixels of [0, 1]."""


class NoiseTraining(TrainingDefense):
    """Train on pictures with uniform noise of the ball added; no adversary is run."""

    config_class = NoiseTrainingConfig
    config: NoiseTrainingConfig

    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        noise = streams.uniform(pixels.shape[1:], -self.config.eps, self.config.eps)
        return (pixels + noise.to(pixels.device)).clamp(0.0, 1.0)

    def gradient_evaluations(self, progress: float) -> float:
        return 0
