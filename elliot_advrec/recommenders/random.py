"""The chance baseline."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams


class RandomConfig(Config):
    """Settings of ``Random``, with Elliot's name."""

    random_seed: int | None = Field(default=None, ge=0, lt=2**32)
    """Decides the order; absent: the run's own seed does."""


class Random(Recommender):
    """Every user gets items in a random order of their own, decided by the seed and the user.

    Elliot's Random draws each place of a list anew, so that items come twice; these are permutations.
    """

    config_class = RandomConfig

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        chosen = self.config.random_seed
        self._seed, self._items = seed if chosen is None else chosen, interactions.train.shape[1]

    def scores(self, users: np.ndarray) -> Tensor:
        if not len(users):
            return torch.empty(0, self._items)
        return Streams([stream_seed(self._seed, "Random", int(user)) for user in users]).uniform(
            (self._items,)
        )

    def _state(self) -> dict[str, np.ndarray]:
        return {"seed_items": np.array([self._seed, self._items], dtype=np.int64)}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._seed, self._items = (int(value) for value in state["seed_items"])
