"""The best of some random perturbations: what an attacker gets without any gradient."""

from __future__ import annotations

from pydantic import Field

from elliot_advrec.attacks import Attack, Problem
from elliot_advrec.component import Config


class RandomNoiseConfig(Config):
    """Settings of RandomNoise."""

    draws: int = Field(16, ge=1)
    """Random points of the ball that are tried; the best one is kept."""


class RandomNoise(Attack):
    """The best of some uniform draws from the ball; no gradient is used."""

    config_class = RandomNoiseConfig
    config: RandomNoiseConfig

    def run(self, problem: Problem) -> None:
        for _ in range(self.config.draws):
            problem.evaluate(problem.random_start())

    def gradient_evaluations(self) -> int:
        return 0
