"""``BaseRecommenderModel`` and ``init_charger``: what a model has before and after its own ``__init__``."""

from __future__ import annotations

import inspect
import math
import os
from typing import Any

from elliot import run


class Evaluator:
    """nDCG and HR with a relevance threshold, and ARP, which stops at an item without training rows."""

    def __init__(self, data: Any, config: Any) -> None:
        self.data, self.config = data, config
        self.counts = dict.fromkeys(data.private_items.values(), 0)
        for rated in data.train_dict.values():
            for item in rated:
                self.counts[item] += 1

    def get_needed_recommendations(self) -> int:
        return int(self.config.top_k)

    def eval(self, recommendations: Any) -> dict[int, dict[str, Any]]:
        threshold, test = self.config.evaluation.relevance_threshold, self.data.get_test()
        found: dict[int, dict[str, Any]] = {}
        for k in self.config.evaluation.cutoffs:
            values: dict[str, list[float]] = {"nDCG": [], "HR": [], "ARP": []}
            for user, listed in recommendations[1].items():
                gains = {i: 2 ** (r - threshold + 1) - 1 for i, r in test[user].items() if r >= threshold}
                if test[user]:
                    values["ARP"].append(sum(self.counts[i] for i, _ in listed[:k]) / len(listed[:k]))
                if not gains:
                    continue
                places = [(1 / math.log2(rank + 2), i) for rank, (i, _) in enumerate(listed[:k])]
                ideal = zip(sorted(gains.values(), reverse=True)[:k], range(k), strict=False)
                best = sum(gain / math.log2(rank + 2) for gain, rank in ideal)
                values["nDCG"].append(sum(worth * gains.get(i, 0) for worth, i in places) / best)
                values["HR"].append(float(any(i in gains for _, i in places)))
            asked = self.config.evaluation.simple_metrics
            results = {name: sum(each) / len(each) for name, each in values.items() if name in asked}
            found[k] = {"val_results": results, "test_results": results}
        return found


class BaseRecommenderModel:
    def __init__(self, data: Any, config: Any, params: Any) -> None:
        self._data, self._config, self._params = data, config, params
        self._restore = getattr(params.meta, "restore", False)
        self._save_weights = getattr(params.meta, "save_weights", False)


def init_charger(init: Any) -> Any:
    def charged(self: Any, data: Any, config: Any, params: Any) -> None:
        BaseRecommenderModel.__init__(self, data, config, params)
        module = inspect.getmodule(self)
        assert module is not None
        external = "external" in (module.__package__ or "")
        run.LOGGERS[f"external.{type(self).__name__}" if external else type(self).__name__].info("begins")
        init(self, data, config, params)
        self.evaluator = Evaluator(self._data, config)
        self._params.name = self.name
        self._saving_filepath = os.path.join(config.path_output_rec_weight, self.name)

    return charged
