"""Random numbers that belong to a sample, so no result depends on batch size, order or worker count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Streams:
    """One random generator a sample.

    Args:
        seeds: one seed a sample, usually ``stream_seed(experiment_seed, attack, item, ...)``.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def __len__(self) -> int:
        return len(self._generators)

    def take(self, rows: Sequence[int]) -> Streams:
        """The streams of some samples; they share state with these."""
        taken = Streams([])
        taken._generators = [self._generators[int(row)] for row in rows]
        return taken

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Tensor:
        """(len(self), *shape) float32 on the CPU, sample i drawn from stream i alone."""
        drawn = [torch.rand(tuple(shape), generator=g) for g in self._generators]
        return torch.stack(drawn).mul_(high - low).add_(low) if drawn else torch.empty(0, *shape)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """(len(self), *shape) standard normal float32 on the CPU, sample i drawn from stream i alone."""
        drawn = [torch.randn(tuple(shape), generator=g) for g in self._generators]
        return torch.stack(drawn) if drawn else torch.empty(0, *shape)
