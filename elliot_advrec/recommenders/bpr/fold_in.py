"""New users of a fitted recommender: factors learned from their histories, with the items as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders.bpr.config import BPRConfig
from elliot_advrec.recommenders.bpr.optimiser import make_optimiser
from elliot_advrec.seeding import stream_seed

MEMORY = 1000
"""Steps that Adam's second moment remembers: 1 / (1 - 0.999)."""


class Pace(NamedTuple):
    """How the training treats one user: per epoch it takes ``steps``, each on ``triples`` of its own."""

    steps: int
    triples: int
    gap: float
    """Steps of the training from one of them to the next."""

    @classmethod
    def of(cls, interactions: Interactions, batch_size: int) -> Pace:
        """That of an average user: triples are drawn evenly over users, one for each training interaction."""
        entries = interactions.train.nnz
        visits = entries / max(int((np.diff(interactions.train.indptr) > 0).sum()), 1)
        batches = 1 if batch_size == -1 else math.ceil(entries / batch_size)
        steps = min(batches, max(1, round(visits)))
        return cls(steps, max(1, round(visits / steps)), batches / steps)


class Choices:
    """Which item each user prefers to which, drawn by (seed, its own history) alone, whoever else is there.

    Args:
        profiles: (m, N) histories, stored entries; each user has one.
        known: (w,) ascending item rows with training interactions: negatives are drawn from them, evenly.
        seed: of all draws.

    Raises:
        UserError: a history that is empty, or that holds every known item.
    """

    def __init__(self, profiles: csr_matrix, known: np.ndarray, seed: int) -> None:
        profiles = profiles.copy()
        profiles.sum_duplicates()
        self.counts = np.diff(profiles.indptr).astype(np.int64)
        if len(self.counts) and not self.counts.min():
            raise UserError(
                f"new user {int(np.argmin(self.counts))} has no history to learn from",
                remedy="give it an item at least",
            )
        self._first, self._items = profiles.indptr[:-1].astype(np.int64), profiles.indices.astype(np.int64)
        owner = np.repeat(np.arange(len(self.counts)), self.counts)
        stream = np.zeros(len(self.counts), np.uint64)
        # A sum, so that a history is a set: the order of its items does not matter.
        np.add.at(stream, owner, _mixed(self._items.astype(np.uint64)))
        self._stream = _mixed(stream ^ np.uint64(stream_seed(seed, "fold in")))
        self._known = known
        place = np.full(profiles.shape[1], -1, np.int64)
        place[known] = np.arange(len(known))
        own = place[self._items]
        owner, own = owner[own >= 0], own[own >= 0]
        held = np.bincount(owner, minlength=len(self.counts))
        self._before = np.cumsum(held) - held
        self._lacking = len(known) - held
        if len(self.counts) and self._lacking.min() < 1:
            raise UserError(
                f"new user {int(np.argmin(self._lacking))} has every item, and so cannot prefer any",
                remedy="give it fewer",
            )
        # The r-th lacking item is r plus the own ones with at most r lacking before them (as TripleSampler).
        self._stride = len(known) + 1
        self._keys = owner * self._stride + own - (np.arange(len(own)) - self._before[owner])

    def draw(self, epoch: int, count: int) -> tuple[Tensor, Tensor]:
        """(m, count) int64 items that are preferred, and those they are preferred to."""
        ticks = np.arange(epoch * count, (epoch + 1) * count, dtype=np.uint64)
        one, other = (_mixed(self._stream[:, None] + _mixed(2 * ticks + np.uint64(k))) for k in (0, 1))
        # Halved, for the remainder to be that of a positive int64.
        positive = self._first[:, None] + (one >> np.uint64(1)).astype(np.int64) % self.counts[:, None]
        lacking = (other >> np.uint64(1)).astype(np.int64) % self._lacking[:, None]
        user = np.arange(len(self.counts))[:, None]
        passed = np.searchsorted(self._keys, user * self._stride + lacking, side="right")
        negative = self._known[lacking + passed - self._before[:, None]]
        return torch.from_numpy(self._items[positive]), torch.from_numpy(negative)


def learn_users(
    profiles: csr_matrix,
    interactions: Interactions,
    items: Tensor,
    bias: Tensor,
    config: BPRConfig,
    kind: Literal["adam", "descent"],
    penalty: float,
    seed: int,
) -> Tensor:
    """(m, R) factors of new users, by the pairwise loss and optimiser that those of the training had.

    Each minimises the sum over its triples (i taken, j not) of softplus(-(s_i - s_j)) + penalty / 2 |u|^2
    from u = 0 on, as long and at the pace that the training gave an average user. Between two steps of a user
    the training's Adam goes on moving it; ``gap`` steps of that come to a step sqrt(gap) as long.

    Args:
        profiles: (m, N) histories, stored entries.
        interactions: what the recommender was fitted on: its pace, and the items negatives are drawn from.
        items: (N, R) factors.
        bias: (N,).
        config: of the training: epochs, batch size and learning rate.
        kind: of optimiser.
        penalty: of a triple, on its user.
        seed: decides the triples.

    Raises:
        UserError: a history that is empty or holds every known item.
    """
    pace = Pace.of(interactions, config.batch_size)
    choices = Choices(profiles, np.flatnonzero(interactions.trained()), seed)
    users = nn.Parameter(torch.zeros(profiles.shape[0], items.shape[1]))
    users.grad = torch.zeros_like(users)
    reach = math.sqrt(min(pace.gap, MEMORY)) if kind == "adam" else 1.0
    optimiser = make_optimiser(kind, users, config.lr * reach)
    with torch.no_grad():
        for positive, negative in _steps(choices, config.epochs, pace):
            between = items[positive] - items[negative]
            preference = (between * users[:, None]).sum(2) + bias[positive] - bias[negative]
            slope = -torch.sigmoid(-preference)
            users.grad.copy_((slope[..., None] * between).sum(1)).add_(users, alpha=penalty * pace.triples)
            optimiser.step()
    return users.detach()


def _steps(choices: Choices, epochs: int, pace: Pace) -> Iterator[tuple[Tensor, Tensor]]:
    """(m, triples) preferred items and others, step by step."""
    for epoch in range(epochs):
        drawn = choices.draw(epoch, pace.steps * pace.triples)
        yield from zip(*(items.split(pace.triples, dim=1) for items in drawn), strict=True)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """uint64 of any shape, mixed until neighbours have nothing in common (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        found = numbers + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: np.ndarray = found ^ (found >> np.uint64(31))
    return mixed
