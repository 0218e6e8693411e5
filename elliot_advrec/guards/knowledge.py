"""What attackers see who know what stands in front of an extractor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss, OfEmbedding
from elliot_advrec.detectors import Detector
from elliot_advrec.filters import Filter
from elliot_advrec.filters.expectation import AdaptiveView
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams

MARGIN = 0.1
"""Share of the threshold that an evading attacker keeps free, for what rounding to 8 bits adds."""
SMALLEST = 1e-6
"""Least threshold that a score is measured by."""


def adaptive(loss: EmbeddingLoss, filter: Filter | None, seeds: Sequence[int], draws: int) -> EmbeddingLoss:
    """``loss`` through a filter, as one function of the pixels.

    The embedding is the mean over draws where the filter draws (EOT; Athalye, Carlini and Wagner 2018), and
    every question draws anew.

    Args:
        loss: through the extractor alone.
        filter: in front of it; None: nothing.
        seeds: one a picture of the batch, other ones than the shop's.
        draws: that an embedding is averaged over.
    """
    if filter is None:
        return loss
    return replace(loss, behind=_Filtered(loss.embed, filter, seeds, draws))


def evading(loss: EmbeddingLoss, detector: Detector, seeds: Sequence[int], weight: float) -> EmbeddingLoss:
    """``loss`` plus what the detector's score exceeds a safe level by (after Carlini and Wagner 2017).

    The score travels as one more column of the embedding, so that every attack on embeddings can evade. With
    the threshold t, the safe level is l = t - 0.1 |t|, and ``weight * max(0, score - l) / |t|`` is added to
    every part: nothing is paid below it. A goal is only reached where the score is safe.

    Args:
        loss: through the filter where there is one.
        detector: bound to the pipeline, with a threshold.
        seeds: one a picture of the batch.
        weight: of the excess.
    """
    level = detector.threshold - MARGIN * abs(detector.threshold)
    scale = max(abs(detector.threshold), SMALLEST)
    score, through = _score(detector, seeds), loss.behind

    def behind(pixels: Tensor, rows: Tensor) -> Tensor:
        filtered = None
        if isinstance(through, _Filtered) and "filter" in detector.needs:
            embedding, filtered = through.look(pixels, rows)  # one pass, and one gradient, for both
        else:
            embedding = loss.embedded(pixels, rows)
        return torch.cat([embedding, score(pixels, rows, filtered)[:, None].to(embedding)], dim=1)

    def joint(of: OfEmbedding) -> OfEmbedding:
        def value(found: Tensor, rows: Tensor) -> Tensor:
            excess = (found[:, -1] - level).clamp_min(0) / scale
            return of(found[:, :-1], rows) + weight * excess

        return value

    solved, around = loss.solved, loss.around
    return replace(
        loss,
        behind=behind,
        main=joint(loss.main),
        others={name: joint(of) for name, of in loss.others.items()},
        solved=None if solved is None else lambda f, rows: solved(f[:, :-1], rows) & (f[:, -1] <= level),
        around=None if around is None else lambda f, rows: joint(around(f[:, :-1], rows)),
    )


class _Filtered:
    """The embedding behind a filter, and what the part of the filter that does not draw made on the way."""

    def __init__(
        self, embed: Callable[[Tensor], Tensor], filter: Filter, seeds: Sequence[int], draws: int
    ) -> None:
        first, last = filter.divided() or (filter, None)
        steady = not first.random
        self.steady = first if steady else None
        drawing = last if steady else filter
        self.rest: Callable[[Tensor, Tensor], Tensor] = lambda filtered, rows: embed(filtered)
        if drawing is not None:
            self.rest = AdaptiveView(self.rest, drawing, seeds, draws=draws)

    def look(self, pixels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """(b, D) embeddings; and (b, 3, H, W) pictures, None where all of the filter draws."""
        if self.steady is None:
            return self.rest(pixels, rows), None
        filtered = self.steady.adaptive(pixels)
        return self.rest(filtered, rows), filtered

    def __call__(self, pixels: Tensor, rows: Tensor) -> Tensor:
        return self.look(pixels, rows)[0]


def _score(detector: Detector, seeds: Sequence[int]) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """(b,) differentiable scores of pictures at ``rows``; one that draws does so anew for each question.

    The third argument is what the steady filter made of them, where that is known.
    """
    if not detector.random:
        return lambda pixels, rows, filtered: detector.adaptive(pixels, filtered=filtered)
    asked = [0] * len(seeds)

    def score(pixels: Tensor, rows: Tensor, filtered: Tensor | None) -> Tensor:
        drawn = []
        for row in rows.tolist():
            drawn.append(stream_seed(seeds[row], "score", asked[row]))
            asked[row] += 1
        return detector.adaptive(pixels, Streams(drawn), filtered=filtered)

    return score
