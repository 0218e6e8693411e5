"""Training triples (user, item they took, item they did not), an epoch at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.seeding import stream_seed


class Triples(NamedTuple):
    """Rows of users, of items they interacted with, and of items they did not; each (B,) int64."""

    users: Tensor
    positives: Tensor
    negatives: Tensor

    def batch(self, start: int, size: int) -> Triples:
        """The ``size`` triples from ``start`` on, or as many as are left."""
        return Triples(*(column[start : start + size] for column in self))

    def to(self, device: torch.device) -> Triples:
        """The same on another device."""
        return Triples(*(column.to(device) for column in self))


class TripleSampler:
    """Draws as many triples an epoch as there are training interactions, as Elliot's samplers do.

    A user is drawn evenly from those who can be asked to choose, then one of its items, then one of the
    training items it does not have. The negative is not drawn until it fits, but at once: the r-th item that
    a user lacks is r plus the number of its own items with at most r lacking ones before them, which one
    binary search over all users answers. So a user who has all items but one costs as much as any other.
    Users who have every training item cannot choose and are left out; so are users without training items.

    Args:
        train: (U, N); every stored entry is an interaction.
        seed: with the epoch's number it decides the triples.

    Raises:
        UserError: no user has an item to prefer and another to prefer it to.
    """

    def __init__(self, train: csr_matrix, seed: int) -> None:
        train = train.copy()
        train.sum_duplicates()
        counts = np.diff(train.indptr).astype(np.int64)
        self.items = np.unique(train.indices).astype(np.int64)
        self.seed, self.size = seed, int(train.nnz)
        self.choosing = np.flatnonzero((counts > 0) & (counts < len(self.items)))
        if not len(self.choosing):
            raise UserError(
                "no user can be learned from: each has all of the training items, or none",
                remedy="give interactions in which users differ",
            )
        self._counts, self._start = counts, train.indptr[:-1].astype(np.int64)
        self._positives = train.indices.astype(np.int64)
        place = np.zeros(train.shape[1], dtype=np.int64)
        place[self.items] = np.arange(len(self.items))
        within = np.arange(self.size) - np.repeat(self._start, counts)
        lacking_before = place[self._positives] - within
        # A stride above any count of lacking items keeps users apart in one ascending array.
        self._stride = len(self.items) + 1
        self._keys = np.repeat(np.arange(len(counts)), counts) * self._stride + lacking_before

    def epoch(self, number: int) -> Triples:
        """The triples of one epoch, on the CPU; the same for the same seed and number."""
        generator = np.random.default_rng(stream_seed(self.seed, "triples", number))
        users = self.choosing[generator.integers(len(self.choosing), size=self.size)]
        start, count = self._start[users], self._counts[users]
        positives = self._positives[start + generator.integers(count)]
        lacking = generator.integers(len(self.items) - count)
        passed = np.searchsorted(self._keys, users * self._stride + lacking, side="right") - start
        negatives = self.items[lacking + passed]
        return Triples(*(torch.from_numpy(column) for column in (users, positives, negatives)))
