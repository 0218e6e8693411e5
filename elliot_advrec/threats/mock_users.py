"""Who the adversary watches while it attacks: a user's clone, or users it has made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders import Recommender
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Targets
from elliot_advrec.threats.scene import Scene

Group = Literal["specific", "segment", "population"]
SHOP = 0
"""Seed of what the shop draws while it takes in mock users; no adversary has a say in it."""


@dataclass(frozen=True)
class Watched:
    """The users that stand for the attacked ones."""

    recommender: Recommender
    histories: csr_matrix
    """(U, N) of its users."""
    index: np.ndarray
    """(n, P) int64 rows of those who are watched for each pair."""


def watched(scene: Scene, targets: Targets, group: Group, size: int) -> Watched:
    """Who stands for the attacked users of each pair.

    - specific: the user's own factors. A clone with the same history would get about the same ones.
    - segment: one mock user, whose history is the segment item.
    - population: ``size`` mock users of one random item each, the same ones for all pairs of a draw, save
      that nobody has the pushed item.

    Raises:
        UserError: too few items for so many mock users, or a recommender that takes in none.
    """
    recommender, interactions = scene.fitted
    if group == "specific":
        return Watched(recommender, interactions.train, targets.target[:, None])
    if group == "segment":
        items, place = np.unique(targets.target, return_inverse=True)
        index = place.reshape(-1, 1)
    else:
        numbers, place = np.unique(targets.target, return_inverse=True)
        items = np.concatenate([population_items(interactions, int(n), size) for n in numbers])
        blocks = place.reshape(-1, 1) * (size + 1) + np.arange(size + 1)
        # Where nobody has the pushed item the last one, a spare, is left out.
        out = np.where(items[blocks] == targets.attack[:, None], 1, 0)
        out[:, -1] |= ~out.any(axis=1)
        index = blocks[out == 0].reshape(len(targets), size)
    histories = of_items(items[:, None], interactions.train.shape[1])
    return Watched(recommender.fold_in(histories, interactions, seed=SHOP), histories, index)


def population_items(interactions: Interactions, number: int, size: int) -> np.ndarray:
    """(size + 1,) distinct random items with training interactions: the histories of a population.

    Raises:
        UserError: there are too few.
    """
    known = np.flatnonzero(interactions.trained())
    enough(size, len(known))
    order = np.random.default_rng(stream_seed(number, "mock users")).permutation(known)
    return order[: size + 1]


def enough(size: int, known: int) -> None:
    """Refuse more mock users than different histories of one item.

    Raises:
        UserError: ``known`` items are too few for ``size`` mock users and a spare one.
    """
    if known <= size:
        raise UserError(
            f"{size} mock users need {size + 1} items with interactions, and there are {known}",
            where="mock_users",
            remedy=f"ask for at most {known - 1}" if known > 1 else "give more interactions",
        )


def of_items(items: np.ndarray, columns: int) -> csr_matrix:
    """(m, columns) histories from (m, n) item rows."""
    count, each = items.shape
    ones, start = np.ones(items.size, np.float32), np.arange(count + 1) * each
    matrix = csr_matrix((ones, items.ravel(), start), shape=(count, columns))
    matrix.sort_indices()
    return matrix
