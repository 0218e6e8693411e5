"""Elliot's model contract around our work: its mixin, its base class and its ``init_charger``."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from elliot_advrec.hosts.inside.celled import make_cell
from elliot_advrec.hosts.inside.fitted import make_fitted
from elliot_advrec.hosts.inside.lists import Lists
from elliot_advrec.hosts.inside.running import Running


class Work(Protocol):
    """What an Elliot model of ours does.

    Attributes:
        data: Elliot's ``DataSet`` as its evaluator is to see it.
        name: the model's name in result files.
    """

    data: Any
    name: str

    def train(self) -> None:
        """Do all that lists need."""

    def lists(self, k: int) -> tuple[Lists, Lists]:
        """Lists of length ``k`` for the validation part and for the test part."""

    def save_weights(self, path: str) -> None:
        """Elliot's ``save_weights``."""

    def load_weights(self, path: str) -> None:
        """Elliot's ``restore``."""


def model_class(name: str, recipe: Running) -> type:
    """The class behind ``external.<name>`` of a running recipe.

    A recipe with an ``adversarial`` section names cells, or recommenders for their clean cells; one without
    names recommenders, which are fitted on Elliot's own data.

    Raises:
        UserError: neither a recommender nor a cell has that name, or the section is wrong.
    """
    make = make_fitted if recipe.adversarial is None else make_cell
    start = make(name, recipe)
    base = importlib.import_module("elliot.recommender.base_recommender_model")
    mixin = importlib.import_module("elliot.recommender.recommender_utils_mixin")

    def begin(self: Any, data: Any, config: Any, params: Any, *args: Any, **kwargs: Any) -> None:
        self._model = start(data, config, params)
        self._data = self._model.data

    def train(self: Any) -> Any:
        if self._restore:
            return self.restore_weights()
        self._model.train()
        return self.evaluate()

    def get_recommendations(self: Any, k: int = 100) -> tuple[Lists, Lists]:
        found: tuple[Lists, Lists] = self._model.lists(k)
        return found

    members = {
        # Elliot looks a model's logger up by the name of its module and class.
        "__module__": "external",
        "__init__": base.init_charger(begin),
        "name": property(lambda self: self._model.name),
        "train": train,
        "get_recommendations": get_recommendations,
    }
    return type(name, (mixin.RecMixin, base.BaseRecommenderModel), members)
