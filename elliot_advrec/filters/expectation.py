"""Expectation over a filter's draws: how an adaptive attacker meets randomness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from elliot_advrec.filters.base import Filter, Gradient
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams

DRAWS = 20
"""Draws that a gradient is averaged over where nothing else is asked for."""


def expectation(
    function: Callable[[Tensor], Tensor],
    filter: Filter,
    pixels: Tensor,
    seeds: Sequence[int],
    *,
    draws: int = DRAWS,
    gradient: Gradient | None = None,
) -> Tensor:
    """Mean of ``function`` of the filtered pictures over draws of the filter (EOT; Athalye et al. 2018, 4.2).

    Its gradient is the mean of the draws' gradients. Each draw is computed again for it, so that memory does
    not grow with the draws. A filter that does not draw is run once.

    Args:
        function: (B, 3, H, W) filtered pictures -> (B, ...), differentiable, such as a loss or an embedding.
        filter: in front of it.
        pixels: (B, 3, H, W) float32 in [0, 1].
        seeds: one a picture; the same seed gives the same draws, whatever the batch.
        draws: how many, at least 1.
        gradient: how the filter is differentiated; its default if absent.

    Raises:
        ValueError: no draws, or another number of seeds than pictures.
    """
    if not filter.random:
        return function(filter.adaptive(pixels, None, gradient))
    if draws < 1:
        raise ValueError(f"the expectation needs at least 1 draw, got {draws}")
    if len(seeds) != len(pixels):
        raise ValueError(f"{len(pixels)} pictures need {len(pixels)} seeds, got {len(seeds)}")
    parts = filter.divided()
    if parts is not None:
        first, last = parts
        through = first.adaptive(pixels, None, gradient)
        rest = gradient if gradient in last.gradients else None  # its own default, where it lacks that one
        return expectation(function, last, through, seeds, draws=draws, gradient=rest)

    def once(points: Tensor, draw: int) -> Tensor:
        streams = Streams([stream_seed(seed, "draw", draw) for seed in seeds])
        return function(filter.adaptive(points, streams, gradient))

    kept = torch.is_grad_enabled() and pixels.requires_grad

    def value(draw: int) -> Tensor:
        # The streams are made from seeds inside: the second computation draws the same.
        if not kept:
            return once(pixels, draw)
        found: Tensor = checkpoint(once, pixels, draw, use_reentrant=False, preserve_rng_state=False)
        return found

    total = value(0)
    for draw in range(1, draws):
        total = total + value(draw)
    return total / draws


class AdaptiveView:
    """A filter in front of a function, as an attacker who knows both differentiates it.

    A loss for attacks is ``lambda pixels, rows: view(pixels, rows)``; every call draws anew, decided by the
    picture's seed and by how often the picture was asked about, so that neither batch size nor order matters.
    Values are then means over few draws: an attack that keeps the best of them keeps a lucky draw, and one
    that keeps its last point (``keep: last``) is the stronger.

    Args:
        function: (filtered pixels (b, 3, H, W), rows (b,)) -> (b, ...), differentiable; rows are the
            pictures' places in the batch.
        filter: in front of it.
        seeds: one a picture of the batch.
        draws: of one gradient; at least 20 is what a result should rest on.
        gradient: how the filter is differentiated; its default if absent.
    """

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        filter: Filter,
        seeds: Sequence[int],
        *,
        draws: int = DRAWS,
        gradient: Gradient | None = None,
    ) -> None:
        self.function, self.filter, self.seeds = function, filter, list(seeds)
        self.draws, self.gradient = draws, gradient
        self._asked = [0] * len(self.seeds)

    def __call__(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """(b, ...) mean over draws for the pictures ``pixels`` (b, 3, H, W) that stand at ``rows`` (b,)."""
        seeds = []
        for row in rows.tolist():
            seeds.append(stream_seed(self.seeds[row], "ask", self._asked[row]))
            self._asked[row] += 1
        return expectation(
            lambda filtered: self.function(filtered, rows),
            self.filter,
            pixels,
            seeds,
            draws=self.draws,
            gradient=self.gradient,
        )
