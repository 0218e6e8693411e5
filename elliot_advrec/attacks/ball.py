"""All pictures that a budget allows: the ball around the clean ones, cut off where pixels end."""

from __future__ import annotations

import torch
from torch import Tensor

from elliot_advrec.attacks.budget import Budget, per_sample
from elliot_advrec.streams import Streams


class Ball:
    """A budget around each picture of a batch.

    Args:
        images: the clean ones, (B,3,H,W) float32 in [0,1].
        budget: how far one may go from them.
    """

    def __init__(self, images: Tensor, budget: Budget) -> None:
        self.images, self.budget = images, budget
        if budget.norm == "linf":
            self._lower = (images - budget.eps).clamp_(min=0.0)
            self._upper = (images + budget.eps).clamp_(max=1.0)

    def project_(self, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """Bring ``points`` (b,3,H,W) into the budget and into [0,1], in place."""
        if self.budget.norm == "linf":
            lower, upper = self._lower, self._upper
            if rows is not None:
                lower, upper = lower[rows], upper[rows]
            return torch.clamp(points, lower, upper, out=points)
        clean = self.images if rows is None else self.images[rows]
        points.sub_(clean)
        points.copy_(self.budget.project(points)).add_(clean)
        # The clean image is inside [0,1], so clipping to it only shortens the perturbation.
        return points.clamp_(0.0, 1.0)

    def drawn(self, streams: Streams, rows: Tensor | None = None) -> Tensor:
        """(b,3,H,W) drawn uniformly from the ball, each sample from its stream, then clipped to [0,1].

        Args:
            streams: of those samples, one each.
            rows: (b,) places in the batch; all of them if absent.
        """
        clean = self.images if rows is None else self.images[rows]
        shape, eps = self.images.shape[1:], self.budget.eps
        if self.budget.norm == "linf":
            noise = streams.uniform(shape, -eps, eps)
        else:
            noise = streams.normal(shape)
            # Uniform in a ball of dimension d: a uniform direction and a radius distributed as U^(1/d).
            radius = streams.uniform((1,)).flatten() ** (1.0 / max(1, shape.numel())) * eps
            noise *= per_sample(radius / torch.linalg.vector_norm(noise.flatten(1), dim=1), noise)
        start = torch.empty_like(clean).copy_(noise).add_(clean)
        return self.project_(start, rows)
