"""What an attack works on: the loss, the clean images and the budget, with accounts of what was spent.

Every evaluation goes through here, so that counting, checking the loss and keeping each sample's best
iterate are written once. Nothing in a step waits for the accelerator: a loss that is not finite is noted on
the device and raised at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from elliot_advrec.attacks.budget import Budget, per_sample
from elliot_advrec.streams import Streams

Loss = Callable[[Tensor, Tensor], Tensor]
"""(pixels (b,3,H,W), rows (b,) long: their places in the batch) -> (b,) losses to minimise."""


@dataclass(frozen=True)
class AttackResult:
    """What an attack found, one entry a sample."""

    images: Tensor
    """(B,3,H,W) float32 in [0,1], inside the budget around the clean images, in their memory format."""
    loss: Tensor
    """(B,) loss at ``images``."""
    gradient_evaluations: Tensor
    """(B,) int64: forward-and-backward passes that each sample took part in."""
    queries: Tensor
    """(B,) int64: forward passes in all, those that belong to a gradient included."""


class Problem:
    """One batch under attack.

    Args:
        loss: per-sample loss to minimise.
        images: clean images (B,3,H,W) float32 in [0,1].
        budget: ball that candidates must lie in.
        streams: one random stream a sample.
    """

    def __init__(self, loss: Loss, images: Tensor, budget: Budget, streams: Streams) -> None:
        self._loss, self.images, self.budget, self.streams = loss, images, budget, streams
        count = len(images)
        self.rows = torch.arange(count, device=images.device)
        self.best_images = images.clone()
        self.best_loss = torch.full((count,), torch.inf, device=images.device)
        self.gradient_evaluations = torch.zeros(count, dtype=torch.long, device=images.device)
        self.queries = torch.zeros_like(self.gradient_evaluations)
        self._finite = torch.ones(count, dtype=torch.bool, device=images.device)
        if budget.norm == "linf":
            self._lower = (images - budget.eps).clamp_(min=0.0)
            self._upper = (images + budget.eps).clamp_(max=1.0)

    def gradient(
        self, points: Tensor, rows: Tensor | None = None, *, offer: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Loss (b,) and its gradient (b,3,H,W) at ``points``, each sample's own.

        Args:
            points: (b,3,H,W) in [0,1].
            rows: (b,) places in the batch; all of them if absent.
            offer: whether the points are candidates for the result; they must then be inside the budget.
        """
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            loss = self._checked(points, rows)
            if not loss.requires_grad:
                raise ValueError("the loss does not depend on the pixels: it has no gradient")
            (gradient,) = torch.autograd.grad(loss.sum(), points)
        _add(self.gradient_evaluations, rows)
        # The sign of NaN is 0: without this a network of NaN gradients would look robust.
        self._note(gradient.sum((1, 2, 3)), rows)
        loss = loss.detach()
        if offer:
            self.offer(points.detach(), loss, rows)
        return loss, gradient

    @torch.no_grad()
    def evaluate(self, points: Tensor, rows: Tensor | None = None, *, offer: bool = True) -> Tensor:
        """Loss (b,) at ``points`` by a forward pass alone; arguments as in ``gradient``."""
        loss = self._checked(points, rows)
        if offer:
            self.offer(points, loss, rows)
        return loss

    def offer(self, points: Tensor, loss: Tensor, rows: Tensor | None = None) -> None:
        """Keep each of ``points`` (inside the budget) whose loss is below the best so far of its sample."""
        self.keep(points, loss, loss < (self.best_loss if rows is None else self.best_loss[rows]), rows)

    def keep(self, points: Tensor, loss: Tensor, chosen: Tensor, rows: Tensor | None = None) -> None:
        """Make each ``chosen`` (b,) bool of ``points`` its sample's result, whatever was there."""
        mask = per_sample(chosen, points)
        if rows is None:
            torch.where(mask, points, self.best_images, out=self.best_images)
            torch.where(chosen, loss, self.best_loss, out=self.best_loss)
        else:
            self.best_images[rows] = torch.where(mask, points, self.best_images[rows])
            self.best_loss[rows] = torch.where(chosen, loss, self.best_loss[rows])

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

    def random_start(self) -> Tensor:
        """(B,3,H,W) drawn uniformly from the ball, each sample from its stream, then clipped to [0,1]."""
        shape, eps = self.images.shape[1:], self.budget.eps
        if self.budget.norm == "linf":
            noise = self.streams.uniform(shape, -eps, eps)
        else:
            noise = self.streams.normal(shape)
            # Uniform in a ball of dimension d: a uniform direction and a radius distributed as U^(1/d).
            radius = self.streams.uniform((1,)).flatten() ** (1.0 / max(1, shape.numel())) * eps
            noise *= per_sample(radius / torch.linalg.vector_norm(noise.flatten(1), dim=1), noise)
        start = torch.empty_like(self.images).copy_(noise).add_(self.images)
        return self.project_(start)

    def result(self) -> AttackResult:
        """The best iterates; a sample that was offered none keeps its clean image.

        Raises:
            ValueError: a loss or a gradient was NaN or infinite.
        """
        unseen = torch.isinf(self.best_loss).nonzero().flatten()
        if len(unseen):
            self.evaluate(self.images[unseen], unseen)
        if not bool(self._finite.all()):
            bad = (~self._finite).nonzero().flatten().tolist()
            raise ValueError(
                f"the loss or its gradient was NaN or infinite for {len(bad)} of {len(self.images)} samples: "
                f"{bad[:10]}"
            )
        return AttackResult(self.best_images, self.best_loss, self.gradient_evaluations, self.queries)

    def _checked(self, points: Tensor, rows: Tensor | None) -> Tensor:
        """The loss, refused unless it is (b,) and floating; counted as one query a sample."""
        loss = self._loss(points, self.rows if rows is None else rows)
        if not isinstance(loss, Tensor) or loss.shape != (len(points),) or not loss.is_floating_point():
            got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ValueError(f"the loss must return ({len(points)},) floats, one a sample, got {got}")
        _add(self.queries, rows)
        self._note(loss.detach(), rows)
        return loss

    def _note(self, values: Tensor, rows: Tensor | None) -> None:
        """Remember which samples had a value (b,) that is not finite; ``result`` raises."""
        if rows is None:
            self._finite &= values.isfinite()
        else:
            self._finite[rows] &= values.isfinite()


def _add(counts: Tensor, rows: Tensor | None) -> None:
    if rows is None:
        counts += 1
    else:
        counts[rows] += 1
