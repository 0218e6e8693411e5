"""What an attack works on: the loss, the clean images and the budget, with accounts of what was spent.

Every evaluation goes through here, so that counting, checking the loss and keeping each sample's best
iterate are written once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elliot_advrec.attacks.ball import Ball
from elliot_advrec.attacks.best import AttackResult, Best
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.objective import OfEmbedding
from elliot_advrec.attacks.oracle import Loss, Oracle, Watch
from elliot_advrec.streams import Streams


class Problem:
    """One batch under attack.

    Args:
        loss: per-sample loss to minimise.
        images: clean images (B,3,H,W) float32 in [0,1].
        budget: ball that candidates must lie in.
        streams: one random stream a sample.
        uploads: whether every query shows the recommender a picture, rather than a copy of it.
        watch: sees the embedding of every query, (embeddings (b,D), rows (b,)).
    """

    def __init__(
        self,
        loss: Loss,
        images: Tensor,
        budget: Budget,
        streams: Streams,
        *,
        uploads: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.images, self.budget, self.streams, self._uploads = images, budget, streams, uploads
        count = len(images)
        self.oracle = Oracle(loss, count, images.device, watch)
        self.rows = torch.arange(count, device=images.device)
        self.mind_goal = False
        """Whether points that reach the goal go before all others; an attack that stops early sets it."""
        self.best = Best(images)
        """What was found so far; pictures that are offered are judged and kept there."""
        self.image_updates = torch.zeros(count, dtype=torch.long, device=images.device)
        self._ball = Ball(images, budget)

    def gradient(
        self,
        points: Tensor,
        rows: Tensor | None = None,
        *,
        offer: bool = True,
        by: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Loss (b,) and its gradient (b,3,H,W) at ``points``, each sample's own, by one forward pass.

        Args:
            points: (b,3,H,W) in [0,1].
            rows: (b,) places in the batch; all of them if absent.
            offer: whether the points are candidates for the result; they must then be inside the budget.
            by: the other loss whose value and gradient are given; candidates are judged by ``main`` all the
                same.

        Raises:
            ValueError: the adversary sees values alone, or the loss has no such other.
        """
        if not self.oracle.white_box:
            raise ValueError(
                "the adversary sees the recommender's answers alone and has no gradient of them: "
                "use an attack that needs features or values (bb, square, nes)"
            )
        places = self._places(rows)
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            answer = self.oracle.ask(points, places, by, goal=self.mind_goal)
            if not answer.steer.requires_grad:
                raise ValueError("the loss does not depend on the pixels: it has no gradient")
            (gradient,) = torch.autograd.grad(answer.steer.sum(), points)
        self.oracle.count_gradient(gradient, places)
        if offer:
            self.best.offer(points.detach(), answer.main, rows, answer.solved)
        return answer.steer.detach(), gradient

    @torch.no_grad()
    def evaluate(
        self, points: Tensor, rows: Tensor | None = None, *, offer: bool = True, by: str | None = None
    ) -> Tensor:
        """Loss (b,) at ``points`` by a forward pass alone; arguments as in ``gradient``."""
        answer = self.oracle.ask(points, self._places(rows), by, goal=self.mind_goal)
        self._shown(points, rows)
        if offer:
            self.best.offer(points, answer.main, rows, answer.solved)
        return answer.steer

    @torch.no_grad()
    def look(
        self,
        points: Tensor,
        rows: Tensor | None = None,
        *,
        offer: bool = True,
        seen: OfEmbedding | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings (b,D) of ``points`` and the values (b,) that are seen there, as one query each.

        Args:
            points: (b,3,H,W) in [0,1].
            rows: (b,) places in the batch; all of them if absent.
            offer: whether the points are candidates for the result; they are judged by ``main``.
            seen: what is seen in place of ``main``.

        Raises:
            ValueError: the loss does not go through an embedding.
        """
        answer = self.oracle.ask(points, self._places(rows), seen, goal=self.mind_goal)
        if answer.embedding is None:
            raise ValueError("this attack needs a loss that goes through an embedding (EmbeddingLoss)")
        self._shown(points, rows)
        if offer:
            self.best.offer(points, answer.main, rows, answer.solved)
        return answer.embedding, answer.steer

    def pull_back(self, points: Tensor, direction: Tensor, rows: Tensor | None = None) -> Tensor:
        """Gradient (b,3,H,W) of ``<embed(points), direction>``: a gradient of the public extractor, no query.

        Args:
            points: (b,3,H,W) in [0,1].
            direction: (b,D), constants.
            rows: (b,) places in the batch; all of them if absent.
        """
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            embedding = self.oracle.embed(points, self._places(rows))
            (gradient,) = torch.autograd.grad((embedding * direction.to(embedding.dtype)).sum(), points)
        self.oracle.count_gradient(gradient, self._places(rows))
        return gradient

    @torch.no_grad()
    def settle(self, points: Tensor, rows: Tensor) -> Tensor:
        """Make each of ``points`` (inside the budget) that reaches the goal the result; (b,) bool, where."""
        answer = self.oracle.ask(points, rows, goal=True)
        self._shown(points, rows)
        if answer.solved is None:
            return torch.zeros_like(rows, dtype=torch.bool)
        self.best.keep(points, answer.main, answer.solved, rows, answer.solved)
        return answer.solved

    def reference(self) -> Tensor:
        """(B,3,H,W) in [0,1]: the pictures to imitate.

        Raises:
            ValueError: the loss has none, or not of this size.
        """
        parts = self.oracle.parts
        if parts is None or parts.reference is None:
            raise ValueError("this attack imitates another item's picture, and the threat names none")
        found = parts.reference(self.rows).to(self.images)
        if found.shape != self.images.shape:
            raise ValueError(
                f"pictures to imitate must be {tuple(self.images.shape)}, got {tuple(found.shape)}"
            )
        return found

    def project_(self, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """Bring ``points`` (b,3,H,W) into the budget and into [0,1], in place."""
        return self._ball.project_(points, rows)

    def random_start(self, rows: Tensor | None = None) -> Tensor:
        """(b,3,H,W) drawn uniformly from the ball, each sample from its stream, then clipped to [0,1]."""
        return self._ball.drawn(self.streams_of(rows), rows)

    def streams_of(self, rows: Tensor | None) -> Streams:
        """The random streams of some samples; all of them if absent."""
        return self.streams if rows is None else self.streams.take(rows.tolist())

    def result(self) -> AttackResult:
        """The best iterates; a sample that was offered none keeps its clean image.

        Raises:
            ValueError: a loss or a gradient was NaN or infinite.
        """
        unseen = torch.isinf(self.best.loss).nonzero().flatten()
        if len(unseen):
            self.evaluate(self.images[unseen], unseen)
        finite = self.oracle.finite
        if not bool(finite.all()):
            bad = (~finite).nonzero().flatten().tolist()
            raise ValueError(
                f"the loss or its gradient was NaN or infinite for {len(bad)} of {len(self.images)} samples: "
                f"{bad[:10]}"
            )
        spent = self.oracle.gradient_evaluations, self.oracle.queries, self.image_updates
        return AttackResult(self.best.images, self.best.loss, *spent)

    def _places(self, rows: Tensor | None) -> Tensor:
        return self.rows if rows is None else rows

    def _shown(self, points: Tensor, rows: Tensor | None) -> None:
        if self._uploads:
            clean = self.images if rows is None else self.images[rows]
            self.image_updates[self._places(rows)] += (points != clean).flatten(1).any(1)
