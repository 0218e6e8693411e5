"""The one model of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from elliot.recommender.base_recommender_model import BaseRecommenderModel, init_charger
from elliot.recommender.recommender_utils_mixin import RecMixin


class MostPop(RecMixin, BaseRecommenderModel):
    """Unseen items by training rows."""

    @init_charger
    def __init__(self, data: Any, config: Any, params: Any) -> None:
        self.counts = Counter(item for rated in data.train_dict.values() for item in rated)

    @property
    def name(self) -> str:
        return "MostPop"

    def train(self) -> None:
        self.evaluate()

    def get_recommendations(self, k: int = 10) -> Any:
        best = self.counts.most_common()
        found = {
            user: [(item, float(n)) for item, n in best if item not in rated][:k]
            for user, rated in self._data.train_dict.items()
        }
        return found, found
