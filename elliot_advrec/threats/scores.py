"""What users would give items with these embeddings, one pair at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.recommenders import Recommender

TOGETHER = 2048
"""Pairs whose scores are asked for at once, each against the users of all of them."""


def pair_scores(recommender: Recommender, users: np.ndarray, items: np.ndarray, embeddings: Tensor) -> Tensor:
    """The score of each pair, if that item alone had changed; differentiable in the embeddings.

    Args:
        recommender: one with ``item_scores``.
        users: (n,) user rows; neighbouring pairs of one user are cheapest.
        items: (n,) item rows.
        embeddings: (n, D) what stands for the items' own embeddings.

    Returns:
        (n,) of the embeddings' type and device.
    """
    found = []
    for start in range(0, len(users), TOGETHER):
        some = slice(start, start + TOGETHER)
        asked, place = np.unique(users[some], return_inverse=True)
        scores = recommender.item_scores(asked, items[some], embeddings[some])
        own = torch.as_tensor(place, device=scores.device).long()
        found.append(scores.gather(0, own[None]).squeeze(0))
    return torch.cat(found) if found else embeddings.new_zeros(0)
