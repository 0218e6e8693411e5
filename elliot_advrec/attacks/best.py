"""What an attack found: the best picture of each sample so far, and the result that is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from elliot_advrec.attacks.budget import per_sample


@dataclass(frozen=True)
class AttackResult:
    """What an attack found, one entry a sample."""

    images: Tensor
    """(B,3,H,W) float32 in [0,1], inside the budget around the clean images, in their memory format."""
    loss: Tensor
    """(B,) loss at ``images``."""
    gradient_evaluations: Tensor
    """(B,) int64: backward passes that each sample took part in, through the loss or, where that is closed,
    through the public extractor alone."""
    queries: Tensor
    """(B,) int64: forward passes in all, those that belong to a gradient included."""
    image_updates: Tensor
    """(B,) int64: pictures other than the clean one that were shown to the recommender on the way, as an
    adversary without a copy of it must: the queries of an attack on values that changed the picture (in
    Cohen et al. 2021, steps x perturbations; here the pictures stepped to count too). 0 for an attack that
    differentiates the recommender, since it works on a copy."""


class Best:
    """Each sample's best picture so far; the clean one, at infinite loss, while there is none.

    Args:
        clean: (B,3,H,W) float32 in [0,1].
    """

    def __init__(self, clean: Tensor) -> None:
        self.images = clean.clone()
        """(B,3,H,W)."""
        self.loss = torch.full((len(clean),), torch.inf, device=clean.device)
        """(B,) at ``images``."""
        self.solved = torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
        """(B,) bool: whether ``images`` reach the goal; never, where nobody asks or the loss cannot tell."""

    def offer(
        self, points: Tensor, loss: Tensor, rows: Tensor | None = None, solved: Tensor | None = None
    ) -> None:
        """Keep each of ``points`` (inside the budget) that is better than the best so far of its sample.

        The lower ``loss`` (b,) decides; where ``solved`` (b,) bool is given, only among points that reach the
        goal or among those that do not, and the former are better.
        """
        best = self.loss if rows is None else self.loss[rows]
        better = loss < best
        if solved is not None:
            had = self.solved if rows is None else self.solved[rows]
            better = (solved & ~had) | (better & (solved == had))
        self.keep(points, loss, better, rows, solved)

    def keep(
        self,
        points: Tensor,
        loss: Tensor,
        chosen: Tensor,
        rows: Tensor | None = None,
        solved: Tensor | None = None,
    ) -> None:
        """Make each ``chosen`` (b,) bool of ``points`` its sample's result, whatever was there."""
        solved = torch.zeros_like(chosen) if solved is None else solved
        found = ((points, self.images), (loss.float(), self.loss), (solved, self.solved))
        for new, best in found:
            mask = per_sample(chosen, new)
            if rows is None:
                torch.where(mask, new, best, out=best)
            else:
                best[rows] = torch.where(mask, new, best[rows])
