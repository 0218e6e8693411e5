"""Attacks by those who know what stands in front of an extractor, and by those who face nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from elliot_advrec.attacks import Attack, AttackResult, Budget
from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.attacks.oracle import Watch
from elliot_advrec.guards import Guard
from elliot_advrec.guards.knowledge import adaptive, evading
from elliot_advrec.streams import Streams


@dataclass(frozen=True)
class Known:
    """What an attacker knows of a defense.

    Attributes:
        guard: in front of the extractor; None: there is none.
        seeds: of the attack, one a picture.
        draws: that a random filter's gradient is averaged over.
        weights: of the detector in the joint loss, an attack each; none: it is not evaded.
    """

    guard: Guard | None
    seeds: Sequence[int]
    draws: int = 1
    weights: Sequence[float] = ()

    def through(self, loss: EmbeddingLoss) -> EmbeddingLoss:
        """``loss`` through the filter, if there is one."""
        if self.guard is None:
            return loss
        return adaptive(loss, self.guard.filter, self._draws, self.draws)

    @property
    def _draws(self) -> list[int]:
        """Other draws than the attack's own, and than the shop's, which are decided by names."""
        return [seed ^ 1 for seed in self.seeds]

    def attack(
        self,
        attack: Attack,
        loss: EmbeddingLoss,
        clean: Tensor,
        budget: Budget,
        watch: Watch | None = None,
    ) -> AttackResult:
        """The attack on ``loss``, which goes through the extractor alone, by one who knows as much.

        A gradient that is averaged over draws counts as so many.
        """
        if self.guard is None:
            return attack(loss, clean, budget, Streams(self.seeds), watch)
        through = self.through(loss)
        if not self.weights or self.guard.detector is None:
            return self._counted(attack(through, clean, budget, Streams(self.seeds), watch))
        joint = [evading(through, self.guard.detector, self._draws, weight) for weight in self.weights]
        found = [attack(each, clean, budget, Streams(self.seeds)) for each in joint]
        return self._counted(self._best(found, joint[0], through))

    def _best(
        self, found: Sequence[AttackResult], joint: EmbeddingLoss, through: EmbeddingLoss
    ) -> AttackResult:
        """Of each picture the result with the lowest loss among those that are not flagged, or among all."""
        assert self.guard is not None
        assert self.guard.detector is not None
        rows = torch.arange(len(found[0].images), device=found[0].images.device)
        order = []
        with torch.no_grad():
            for result in found:
                seen = joint.embedded(result.images, rows)
                loss = through.main(seen[:, :-1], rows).double()
                order.append((self.guard.flags(seen[:, -1]), loss))
        flagged = torch.stack([flag for flag, _ in order])
        loss = torch.stack([value for _, value in order])
        # Those that are not flagged go first: any of them is better than the best flagged one.
        allowed = torch.where(flagged.all(0, keepdim=True), True, ~flagged)
        best = loss.masked_fill(~allowed, torch.inf).argmin(0)

        def chosen(values: list[Tensor]) -> Tensor:
            return torch.stack(values)[best, rows]

        return AttackResult(
            chosen([one.images for one in found]),
            chosen([one.loss for one in found]),
            torch.stack([one.gradient_evaluations for one in found]).sum(0),
            torch.stack([one.queries for one in found]).sum(0),
            torch.stack([one.image_updates for one in found]).sum(0),
        )

    def _counted(self, found: AttackResult) -> AttackResult:
        """With every draw of a filter counted as a pass of its own."""
        return replace(
            found,
            gradient_evaluations=found.gradient_evaluations * self.draws,
            queries=found.queries * self.draws,
        )
