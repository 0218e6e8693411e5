"""What training asks of a training defense, and the steps that it takes on a batch more than once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from elliot_advrec.component import Config
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.streams import Streams

Learned = tuple[float, int, int]
"""What one batch gave: mean loss, right categories, and pictures that have one."""


class Defense(Protocol):
    """What training asks of a training defense; ``defenses.base.TrainingDefense`` is one."""

    @property
    def config(self) -> Config: ...

    def perturb(
        self,
        extractor: FrozenExtractor,
        pixels: Tensor,
        category: Tensor | None,
        attributes: Tensor | None,
        progress: float,
        streams: Streams,
    ) -> Tensor:
        """The batch to train on, given the share of training done in [0, 1)."""
        ...

    @property
    def replays(self) -> int | None:
        """How often in a row each batch is trained on while ``ascend`` moves it; None: once, unmoved."""
        ...

    def ascend(self, change: Tensor, gradient: Tensor, progress: float) -> Tensor:
        """The perturbation after a step, given the pixels' gradient of the training loss at it."""
        ...


class Carried:
    """The perturbation that a defense with replays carries from batch to batch; none at first."""

    def __init__(self) -> None:
        self._change: Tensor | None = None

    def replay(
        self, defense: Defense, pixels: Tensor, share: float, learn: Callable[[Tensor], Learned]
    ) -> Learned:
        """All steps on one batch; the one backward pass of each moves the weights and the perturbation.

        Args:
            defense: one that has ``replays``.
            pixels: (B, 3, H, W) in [0, 1]; no larger than those of the batch before.
            share: of the training that is done, in [0, 1).
            learn: one step of the weights on the points that it is given, whose gradient it leaves there.

        Returns:
            The mean loss of the steps, and their counts together.
        """
        replays = defense.replays
        assert replays is not None
        # Only the last batch of an epoch is smaller, and nothing is carried past it.
        change = torch.zeros_like(pixels) if self._change is None else self._change[: len(pixels)]
        total, right, known = 0.0, 0, 0
        for _ in range(replays):
            points = (pixels + change).clamp_(0.0, 1.0).requires_grad_()
            loss, hits, judged = learn(points)
            assert points.grad is not None
            change = defense.ascend(change, points.grad, share)
            total, right, known = total + loss, right + hits, known + judged
        self._change = change
        return total / replays, right, known
