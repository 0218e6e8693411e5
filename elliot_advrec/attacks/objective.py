"""Losses that reach pictures through their embeddings: what lets attacks do more than follow one gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

OfEmbedding = Callable[[Tensor, Tensor], Tensor]
"""(embeddings (b,D), rows (b,) long: their places in the batch) -> (b,)."""


@dataclass(frozen=True)
class EmbeddingLoss:
    """A per-sample loss to minimise that reaches the pixels through the embedding alone.

    Called as any loss is: (pixels (b,3,H,W), rows (b,)) -> (b,). Attacks that know more use the parts.

    Args:
        embed: (b,3,H,W) in [0,1] -> (b,D), differentiable; public where the extractor is.
        main: what is minimised, and what the best iterate is chosen by.
        others: further losses with the same goal, by name, for ensembles that change their loss.
        solved: whether the goal is reached, (b,) bool; None: nobody can say before the end.
        white_box: whether the adversary may differentiate ``main``. If not, it sees values alone, as a shop
            shows them, and only attacks that live on values can be run.
        around: (embeddings (b,D), rows (b,)) -> the values that are watched while the slope at these points
            is estimated, the ``OfEmbedding`` of one step: who is the active user of a population, whether a
            surrogate stands in for one (Cohen et al. 2021, 3.6 and 4.2.3). None: ``main``, everywhere.
        reference: rows (b,) -> pictures (b,3,H,W) in [0,1] to imitate, e.g. the most popular item's.
        behind: (pixels (b,3,H,W), rows (b,)) -> (b,D'): what takes the place of ``embed`` where pictures pass
            a filter or a detector first, whose random draws belong to the pictures' places.
    """

    embed: Callable[[Tensor], Tensor]
    main: OfEmbedding
    others: Mapping[str, OfEmbedding] = field(default_factory=dict)
    solved: OfEmbedding | None = None
    white_box: bool = True
    around: Callable[[Tensor, Tensor], OfEmbedding] | None = None
    reference: Callable[[Tensor], Tensor] | None = None
    behind: Callable[[Tensor, Tensor], Tensor] | None = None

    def embedded(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """(b,D) what the parts are functions of, of pictures that stand at ``rows`` (b,)."""
        return self.embed(pixels) if self.behind is None else self.behind(pixels, rows)

    def __call__(self, pixels: Tensor, rows: Tensor) -> Tensor:
        return self.main(self.embedded(pixels, rows), rows)
