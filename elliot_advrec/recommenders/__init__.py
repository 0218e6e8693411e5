"""Recommenders: interactions and item embeddings in, scores of every item for a user out."""

from __future__ import annotations

from elliot_advrec.recommenders.base import Recommender
from elliot_advrec.registry import Registry

RECOMMENDERS: Registry[Recommender] = Registry(
    "recommender",
    Recommender,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "ACF": "elliot_advrec.recommenders.acf:ACF",
        "AMR": "elliot_advrec.recommenders.amr:AMR",
        "BPRMF": "elliot_advrec.recommenders.bprmf:BPRMF",
        "ContentKNN": "elliot_advrec.recommenders.content_knn:ContentKNN",
        "DVBPR": "elliot_advrec.recommenders.dvbpr:DVBPR",
        "DeepStyle": "elliot_advrec.recommenders.deepstyle:DeepStyle",
        "ItemKNN": "elliot_advrec.recommenders.item_knn:ItemKNN",
        "MostPop": "elliot_advrec.recommenders.most_pop:MostPop",
        "Random": "elliot_advrec.recommenders.random:Random",
        "VBPR": "elliot_advrec.recommenders.vbpr:VBPR",
        "VNPR": "elliot_advrec.recommenders.vnpr:VNPR",
    },
)

__all__ = ["RECOMMENDERS", "Recommender"]
