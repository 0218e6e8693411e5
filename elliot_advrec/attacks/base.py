"""The final call of every attack: it checks what comes in and asserts what goes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from elliot_advrec.attacks.best import AttackResult
from elliot_advrec.attacks.budget import TOLERANCE, Budget, Norm
from elliot_advrec.attacks.oracle import Loss, Watch
from elliot_advrec.attacks.problem import Problem
from elliot_advrec.component import Component
from elliot_advrec.streams import Streams

Needs = Literal["gradient", "features", "values"]
"""What an adversary must have: the ``gradient`` of its goal, through extractor and recommender (white box);
the recommender's answers and the ``features``, that is, a public extractor to differentiate; or ``values``,
the answers alone."""


class Attack(Component, ABC):
    """An optimiser over pixels; authors write ``run`` and ``gradient_evaluations`` and nothing else.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    needs: ClassVar[Needs] = "gradient"
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")
    """Budgets it is defined for."""
    unbounded: ClassVar[bool] = False
    """Whether it holds no budget, and so takes none but eps 1 in L-infinity."""
    imitates: ClassVar[bool] = False
    """Whether it shows another item's picture, which the threat must name, and looks at nothing else."""

    @abstractmethod
    def run(self, problem: Problem) -> None:
        """Search, by ``problem.gradient`` and ``problem.evaluate``, which keep each sample's best iterate.

        The last point an attack steps to must be evaluated as well, or it cannot be the result.
        """

    @abstractmethod
    def gradient_evaluations(self) -> int:
        """The most gradients that one sample can cost."""

    @final
    def __call__(
        self, loss: Loss, images: Tensor, budget: Budget, streams: Streams, watch: Watch | None = None
    ) -> AttackResult:
        """Lower ``loss`` for each of ``images`` within ``budget``.

        Args:
            loss: (pixels (b,3,H,W), rows (b,) long) -> (b,), to minimise; rows are places in the batch.
            images: (B,3,H,W) float32 in [0,1]; not changed. Channels-last images stay channels-last.
            budget: ball in pixel units; radius 0 gives the clean images back, bit for bit.
            streams: one random stream a sample; the only source of randomness.
            watch: sees the embedding of every query, as a shop sees what is uploaded (``detection``).

        Raises:
            ValueError: images of another type, shape or range, another number of streams, a loss that is
                not one finite float a sample, a budget in a norm the attack does not know, or a loss without
                what the attack needs (a gradient, an embedding, a picture to imitate).
            RuntimeError: the attack left its budget or [0,1]: a fault of the attack's author.
        """
        _validate(images, streams)
        if budget.norm not in self.norms:
            known = ", ".join(self.norms)
            raise ValueError(f"{type(self).__name__} has no form for {budget.norm} budgets, only for {known}")
        # A caller's no_grad or inference_mode must not reach the gradient.
        with torch.inference_mode(False), torch.no_grad():
            uploads = self.needs != "gradient"
            problem = Problem(loss, images.detach().clone(), budget, streams, uploads=uploads, watch=watch)
            if budget.eps > 0 and len(images):
                self.run(problem)
            result = problem.result()
            self._assert(result.images, problem.images, budget)
        return result

    def _assert(self, found: Tensor, clean: Tensor, budget: Budget) -> None:
        if not bool(budget.contains(found - clean).all()):
            length = float(budget.length(found - clean).max())
            raise RuntimeError(
                f"{type(self).__name__} left its budget: {budget.norm} {length} > {budget.eps} + {TOLERANCE}"
            )
        if found.numel() and not (float(found.min()) >= 0.0 and float(found.max()) <= 1.0):
            raise RuntimeError(f"{type(self).__name__} left the pixel range [0,1]")


def _validate(images: Tensor, streams: Streams) -> None:
    if images.dtype != torch.float32:
        raise ValueError(f"images must be float32, got {images.dtype}")
    if images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (B,3,H,W), got {tuple(images.shape)}")
    if len(streams) != len(images):
        raise ValueError(f"{len(images)} images need {len(images)} streams, got {len(streams)}")
    if images.numel() == 0:
        return
    low, high = (float(bound) for bound in torch.aminmax(images))
    if not (low >= 0.0 and high <= 1.0):  # NaN fails both
        raise ValueError(f"images must be finite and in [0,1], got values from {low} to {high}")
