"""The loss under attack, asked through one door: every value is checked, counted and, if wished, watched.

Nothing here waits for the accelerator: a value that is not finite is noted on the device and raised at the
end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss, OfEmbedding

Loss = Callable[[Tensor, Tensor], Tensor]
"""(pixels (b,3,H,W), rows (b,) long: their places in the batch) -> (b,) losses to minimise."""

Watch = Callable[[Tensor, Tensor], None]
"""(embeddings (b,D), rows (b,) long): sees the embedding of every picture whose value is asked for."""


@dataclass(frozen=True)
class Answer:
    """What a forward pass gave."""

    main: Tensor
    """(b,) the loss that counts."""
    steer: Tensor
    """(b,) the loss that was asked for by name; ``main`` itself where none was."""
    solved: Tensor | None
    """(b,) bool, whether the goal is reached; None where nobody asked or the loss cannot tell."""
    embedding: Tensor | None
    """(b,D), where the loss goes through one."""


class Oracle:
    """A loss with accounts.

    Args:
        loss: any per-sample loss; an ``EmbeddingLoss`` can be asked for more.
        count: samples in the batch.
        device: where the accounts are kept.
        watch: sees every picture that is asked about; needs an ``EmbeddingLoss``.
    """

    def __init__(self, loss: Loss, count: int, device: torch.device, watch: Watch | None = None) -> None:
        self._loss, self._watch = loss, watch
        self.parts = loss if isinstance(loss, EmbeddingLoss) else None
        if watch is not None and self.parts is None:
            raise ValueError("queries can only be watched where the loss is an EmbeddingLoss")
        self.gradient_evaluations = torch.zeros(count, dtype=torch.long, device=device)
        self.queries = torch.zeros_like(self.gradient_evaluations)
        self.finite = torch.ones(count, dtype=torch.bool, device=device)

    @property
    def white_box(self) -> bool:
        """Whether the adversary may differentiate the loss."""
        return self.parts is None or self.parts.white_box

    def others(self) -> list[str]:
        """Names of the further losses with the same goal."""
        return [] if self.parts is None else list(self.parts.others)

    def ask(
        self, points: Tensor, rows: Tensor, by: str | OfEmbedding | None = None, *, goal: bool = False
    ) -> Answer:
        """Values at ``points`` (b,3,H,W), one query for each of ``rows`` (b,).

        Args:
            points: pixels in [0,1]; only ``steer`` carries their graph.
            rows: places in the batch.
            by: name of the other loss to steer by, or that loss itself; ``main`` if absent.
            goal: whether ``solved`` is wanted, which can cost a pass over the catalog.

        Raises:
            ValueError: values that are not (b,) floats, or a loss without such a part.
        """
        if self.parts is None:
            if by is not None:
                raise ValueError(f"the loss has no parts, so it has no {by!r} to follow")
            main = self._checked(self._loss(points, rows), len(points))
            self._account(main, rows)
            return Answer(main.detach(), main, None, None)
        embedding = self.embed(points, rows)
        still = embedding.detach()
        steer = self._checked(self._named(by)(embedding, rows), len(points))
        with torch.no_grad():
            main = steer if by is None else self._checked(self.parts.main(still, rows), len(points))
            asked = self.parts.solved if goal else None
            solved = None if asked is None else asked(still, rows)
            if self._watch is not None:
                self._watch(still, rows)
        self._account(steer, rows)
        self._account_finite(main, rows)
        return Answer(main.detach(), steer, solved, still)

    def embed(self, points: Tensor, rows: Tensor) -> Tensor:
        """(b,D) embeddings of ``points`` at ``rows`` (b,): no query, since the extractor is public.

        Raises:
            ValueError: the loss does not say how pictures are embedded, or gives no (b,D).
        """
        if self.parts is None:
            raise ValueError("this attack needs a loss that goes through an embedding (EmbeddingLoss)")
        embedding = self.parts.embedded(points, rows)
        if embedding.dim() != 2 or len(embedding) != len(points):
            raise ValueError(f"embeddings must be ({len(points)},D), got {tuple(embedding.shape)}")
        return embedding

    def count_gradient(self, gradient: Tensor, rows: Tensor) -> None:
        """Book one gradient (b,3,H,W) for each of ``rows``."""
        self.gradient_evaluations[rows] += 1
        # The sign of NaN is 0: without this a network of NaN gradients would look robust.
        self._account_finite(gradient.sum((1, 2, 3)), rows)

    def _named(self, by: str | OfEmbedding | None) -> OfEmbedding:
        assert self.parts is not None
        if not isinstance(by, str):
            return self.parts.main if by is None else by
        if by not in self.parts.others:
            known = ", ".join(self.parts.others) or "none"
            raise ValueError(f"the loss has no other loss {by!r}; it has: {known}")
        return self.parts.others[by]

    def _checked(self, loss: Tensor, count: int) -> Tensor:
        if not isinstance(loss, Tensor) or loss.shape != (count,) or not loss.is_floating_point():
            got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ValueError(f"the loss must return ({count},) floats, one a sample, got {got}")
        return loss

    def _account(self, loss: Tensor, rows: Tensor) -> None:
        self.queries[rows] += 1
        self._account_finite(loss.detach(), rows)

    def _account_finite(self, values: Tensor, rows: Tensor) -> None:
        """Remember which samples had a value (b,) that is not finite; the attack's end raises."""
        self.finite[rows] &= values.isfinite()
