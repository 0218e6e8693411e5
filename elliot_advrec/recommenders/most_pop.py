"""The popularity baseline."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.base import Recommender


class MostPop(Recommender):
    """Every user gets the items with the most training interactions.

    Equally popular items go by catalog row, which is Elliot's order where the rows are in it. Elliot gives no
    list at all to a user who has seen all but k items or more; here such a user gets what is left.
    """

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        self._counts = np.bincount(interactions.train.indices, minlength=interactions.train.shape[1])

    def scores(self, users: np.ndarray) -> Tensor:
        row = torch.from_numpy(self._counts.astype(np.float32))
        return row.expand(len(users), -1).clone()

    def _state(self) -> dict[str, np.ndarray]:
        return {"counts": self._counts.astype(np.int64)}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._counts = state["counts"]
