"""What the trainer learns: parameters, and the loss of a batch of triples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elliot_advrec.recommenders.bpr.features import Features
from elliot_advrec.recommenders.bpr.sampling import Triples
from elliot_advrec.seeding import stream_seed


class Network(nn.Module, ABC):
    """Parameters by name, and a loss of triples that is summed over the batch.

    Args:
        config: the recommender's settings.
        tensors: first values of the parameters, or those that were learned.
        features: of the catalog; None where none are used, or nothing is learned any more.
    """

    features: Features | None
    """What ``loss`` reads of the catalog; only there while it is trained."""

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], features: Features | None = None) -> None:
        super().__init__()
        self.config, self.features = config, features
        for name, tensor in tensors.items():
            self.register_parameter(name, nn.Parameter(tensor))

    @abstractmethod
    def loss(self, triples: Triples) -> Tensor:
        """Sum over the batch of the loss and of what is regularised in each triple; a scalar.

        This is the definition, which autograd can differentiate.
        """

    def gradients(self, triples: Triples) -> Tensor:
        """Add the loss's gradients to the parameters' ``grad``; the loss, detached.

        Overridden where gradients written by hand are faster; tests compare those with autograd's.
        """
        loss = self.loss(triples)
        loss.backward()
        return loss.detach()

    def clear(self, triples: Triples) -> None:
        """Set the gradients of this batch, which has been learned from, to zero again.

        Overridden where it is known which rows of large tables the batch has written to; what adds parameters
        to such a network clears theirs too.
        """
        for parameter in self.learnable():
            grad(parameter).zero_()

    def begin(self, epoch: int) -> None:
        """Called before each epoch, counted from 0."""
        return None

    def learnable(self) -> list[nn.Parameter]:
        """The parameters that the optimiser may change."""
        return list(self.parameters())


def half_squares(*tensors: Tensor) -> Tensor:
    """Half the sum of squares of all entries: TensorFlow's ``l2_loss``, which Elliot regularises with."""
    flat = [tensor.reshape(-1) for tensor in tensors]
    return 0.5 * torch.stack([torch.dot(each, each) for each in flat]).sum()


def grad(parameter: nn.Parameter) -> Tensor:
    """The gradient's own memory, which the trainer has made and zeroed; written to in place."""
    assert parameter.grad is not None
    return parameter.grad


class Initial:
    """First values, each drawn from a stream of its own name, so that models which share one share it.

    Args:
        seed: with the name it decides the values.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _generator(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed(stream_seed(self.seed, "initial", name))

    def glorot(self, name: str, rows: int, columns: int) -> Tensor:
        """(rows, columns) uniform within sqrt(6 / (rows + columns)) of 0 (Glorot & Bengio 2010)."""
        drawn = torch.rand(rows, columns, generator=self._generator(name))
        return drawn.mul_(2).sub_(1).mul_(math.sqrt(6 / max(rows + columns, 1)))

    def normal(self, name: str, rows: int, columns: int, deviation: float) -> Tensor:
        """(rows, columns) normal around 0."""
        return torch.randn(rows, columns, generator=self._generator(name)).mul_(deviation)


def without_cold(table: Tensor, warm: np.ndarray) -> Tensor:
    """The table with zeros for items that no triple will ever hold.

    Left at their random first values they would add noise to scores that should come from features alone.

    Args:
        table: (N, ...) one row an item; changed in place.
        warm: (m,) rows that are trained.
    """
    cold = np.ones(len(table), dtype=bool)
    cold[warm] = False
    table[torch.from_numpy(cold)] = 0
    return table
