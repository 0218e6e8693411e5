"""Recommenders: interactions and item embeddings in, scores of every item for a user out."""

from __future__ import annotations

from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.registry import Registry

RECOMMENDERS: Registry[Recommender] = Registry(
    "recommender",
    Recommender,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "ContentKNN": "elliot_advrec.recommenders.content_knn:ContentKNN",
        "MostPop": "elliot_advrec.recommenders.most_pop:MostPop",
        "Random": "elliot_advrec.recommenders.random:Random",
    },
)

__all__ = ["RECOMMENDERS", "Recommender"]
