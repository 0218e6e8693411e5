"""What a threat decides: who is attacked, what the attack minimises, and what counts as success."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from elliot_advrec.attacks.problem import Loss
from elliot_advrec.component import Component


class Embedder(Protocol):
    """The part of an extractor that a threat differentiates through."""

    def embed(self, pixels: Tensor) -> Tensor:
        """(B,3,H,W) in [0,1] -> (B,D)."""
        ...


@dataclass(frozen=True)
class Targets:
    """The attacked pairs of catalog rows."""

    attack: np.ndarray
    """(n,) int64: items whose image the adversary changes."""
    target: np.ndarray
    """(n,) int64: items they are moved towards."""

    def __len__(self) -> int:
        return len(self.attack)

    def slice(self, start: int, stop: int) -> Targets:
        """Pairs ``start`` to ``stop`` - 1."""
        return Targets(self.attack[start:stop], self.target[start:stop])

    def first(self, count: int) -> Targets:
        """The first ``count`` pairs.

        Raises:
            ValueError: there are fewer.
        """
        if count > len(self):
            raise ValueError(f"asked for the first {count} of {len(self)} pairs")
        return self.slice(0, count)


class Threat(Component, ABC):
    """A goal: it knows nothing of optimisers, as attacks know nothing of goals.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    @property
    @abstractmethod
    def pairs(self) -> int:
        """How many pairs ``draw`` gives."""

    @abstractmethod
    def draw(self, n_items: int, seed: int) -> Targets:
        """Who is attacked in a catalog of ``n_items``; decided by ``seed`` alone."""

    @abstractmethod
    def loss(
        self,
        extractor: Embedder,
        attack_rows: np.ndarray,
        target_rows: np.ndarray,
        embeddings: np.ndarray | Tensor,
    ) -> Loss:
        """The per-sample loss of one batch of pairs (b,), given the clean embeddings (N,D)."""

    @abstractmethod
    def judge(
        self, embeddings: np.ndarray | Tensor, targets: Targets, attacked: np.ndarray | Tensor
    ) -> dict[str, np.ndarray]:
        """What the attacked embeddings (n,D) achieved, one (n,) array a measure."""
