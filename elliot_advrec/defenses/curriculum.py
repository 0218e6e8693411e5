"""Curriculum adversarial training."""

from __future__ import annotations

import torch
from torch import Tensor

from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.descent import direction
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.defenses.adversary import AdversaryConfig, adversary_loss, pgd_config
from elliot_advrec.defenses.base import TrainingDefense
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams


class Curriculum(TrainingDefense):
    """Curriculum adversarial training: PGD grows from 0 to k steps, batches mix all strengths so far.

    Cai, Du, Liu and Song 2018, algorithm 1 with batch mixing (section 3.2). Strength is the number of steps,
    all of one length; strength 0 is the clean picture. The training is divided evenly among the strengths
    0 to ``steps``.
    """

    config_class = AdversaryConfig
    config: AdversaryConfig

    def strength(self, progress: float) -> int:
        """The highest number of steps at this share of the training, 0 to ``steps``."""
        return min(self.config.steps, int(progress * (self.config.steps + 1)))

    def strengths(self, progress: float, streams: Streams) -> Tensor:
        """(B,) int64: the steps each sample gets.

        All strengths from 0 to the present one are dealt out evenly, so a batch that is large enough holds
        each of them; the streams decide who gets which.
        """
        dealt = torch.arange(len(streams)) % (self.strength(progress) + 1)
        strengths = torch.empty_like(dealt)
        strengths[streams.uniform((1,)).view(-1).argsort()] = dealt
        return strengths

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
        strengths = self.strengths(progress, streams)
        if settings.eps == 0 or not bool(strengths.any()):
            return pixels
        attack = MixedPGD(
            pgd_config(settings, keep="last"),
            strengths.to(pixels.device),
        )
        loss = adversary_loss(extractor, category, attributes)
        return attack(loss, pixels, Budget("linf", settings.eps), streams).images

    def gradient_evaluations(self, progress: float) -> float:
        # Strengths 0 to the present one are dealt out evenly.
        return self.strength(progress) / 2 if self.config.eps > 0 else 0


class MixedPGD(PGD):
    """PGD that stops each sample after a number of steps of its own.

    Args:
        config: the longest run; its step length is that of every sample.
        strengths: (B,) int64 steps of each sample; 0 keeps it clean.
    """

    def __init__(self, config: PGDConfig, strengths: Tensor) -> None:
        super().__init__(config)
        self.strengths = strengths

    def run(self, problem: Problem) -> None:
        moving = self.strengths.view(-1, 1, 1, 1) > 0
        points = torch.where(moving, problem.random_start(), problem.images)
        for step, size in enumerate(self.step_sizes(problem.budget.eps)):
            rows = (self.strengths > step).nonzero().view(-1)
            if not len(rows):
                break
            active = points[rows]
            _, gradient = problem.gradient(active, rows, offer=False)
            active.add_(direction(gradient, problem.budget), alpha=-size)
            points[rows] = problem.project_(active, rows)
        problem.evaluate(points)
