"""A recommender of ours on Elliot's own data: for recipes without an ``adversarial`` section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import resolve_device
from elliot_advrec.hosts.embedded import repeatable
from elliot_advrec.hosts.inside.given import read_given, side_information
from elliot_advrec.hosts.inside.lists import Lists, best_lists
from elliot_advrec.hosts.inside.running import Running
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.context import FitContext, Selection

BLOCK = 1 << 25
"""Scores held at once: 128 MB of float32."""
OURS = ("meta", "features", "seed")
"""Keys of a model's section that are not settings of the recommender."""


def make_fitted(name: str, recipe: Running) -> Callable[..., Fitted]:
    """What fits the recommender ``name`` once Elliot has data for it.

    Raises:
        UserError: no recommender has that name.
    """
    where = recipe.where(f"models.external.{name}")
    kind = RECOMMENDERS.get(name, where)

    def start(data: Any, config: Any, params: Any) -> Fitted:
        return Fitted(name, kind, data, config, params, recipe.path.parent, where)

    return start


class Fitted:
    """One recommender with one set of settings, on one split of Elliot's.

    As every model of Elliot it ranks the items with training rows; equal scores go by Elliot's own order.

    Args:
        name: what the recipe calls it.
        kind: its class.
        data: Elliot's ``DataSet``.
        config: Elliot's namespace of the experiment.
        params: Elliot's namespace of the model's section; ``features`` names a file or folder of item
            features, relative to the recipe, see ``data.features``. Absent: the folder that Elliot's
            ``side_information`` names, as for Elliot's own visual models.
        folder: the recipe's.
        where: the section, for messages.

    Raises:
        UserError: settings that the recommender does not know, or features that cannot be used.
    """

    def __init__(
        self,
        name: str,
        kind: type[Recommender],
        data: Any,
        config: Any,
        params: Any,
        folder: Path,
        where: str,
    ) -> None:
        repeatable()
        self.data, self._config, self._kind, self._where = data, config, kind, where
        given = {key: value for key, value in vars(params).items() if key not in _WRITTEN}
        named = given.get("features")
        features = side_information(data) if named is None else folder / str(named)
        settings = {key: value for key, value in given.items() if key not in OURS}
        self._recommender = kind(validate(kind.config_class, settings, where))
        self._recommender.context = FitContext(selection=_selection(config, params.meta), known_only=True)
        self._seed = int(given.get("seed", 42))
        self.name = _label(name, {key: value for key, value in given.items() if key != "meta"})
        self._given = read_given(data, features)

    def train(self) -> None:
        """Fit on Elliot's training part.

        Raises:
            UserError: whatever the recommender's ``fit`` may raise, with the section.
        """
        try:
            given = self._given
            self._recommender.fit(
                given.interactions, given.features, seed=self._seed, device=resolve_device("auto")
            )
        except UserError as error:
            raise error.at(self._where) from error

    def lists(self, k: int) -> tuple[Lists, Lists]:
        """Lists by Elliot's own masks: what is unseen, or its sampled candidates."""
        if not hasattr(self._config, "negative_sampling"):
            found = self._ranked(self.data.allunrated_mask, k)
            return found, found
        chosen = self._ranked(self.data.val_mask, k) if hasattr(self.data, "val_mask") else {}
        return chosen, self._ranked(self.data.test_mask, k)

    def save_weights(self, path: str) -> None:
        """Write the fitted recommender into the folder ``path``."""
        self._recommender.save(Path(path))

    def load_weights(self, path: str) -> None:
        """Read what ``save_weights`` wrote.

        Raises:
            UserError: nothing there, or of another recommender.
        """
        self._recommender = self._kind.load(Path(path))

    def _ranked(self, mask: np.ndarray, k: int) -> Lists:
        found: Lists = {}
        users = list(self.data.private_users.values())
        items, trained = self._given.items, self._given.trained
        step = max(1, BLOCK // max(1, len(items)))
        for start in range(0, len(users), step):
            block = np.arange(start, min(start + step, len(users)))
            scores = self._recommender.scores(block)[:, :trained]
            found |= best_lists(scores, mask[block], users[start : start + step], items[:trained], k)
        return found


_WRITTEN = ("name", "best_iteration")
"""What Elliot itself writes into the namespace of a model."""


def _selection(config: Any, meta: SimpleNamespace) -> Selection:
    """Elliot's ``evaluation`` and ``meta`` as what chooses the best epoch."""
    evaluation = config.evaluation
    cutoffs = getattr(evaluation, "cutoffs", config.top_k)
    return Selection(
        metrics=tuple(evaluation.simple_metrics),
        cutoffs=tuple(cutoffs) if isinstance(cutoffs, list) else (cutoffs,),
        relevance_threshold=evaluation.relevance_threshold,
        validation_metric=getattr(meta, "validation_metric", None),
        validation_rate=getattr(meta, "validation_rate", 1),
        optimize_internal_loss=getattr(meta, "optimize_internal_loss", False),
    )


def _label(name: str, given: dict[str, Any]) -> str:
    """The model's name with its settings, as Elliot writes them: no dot, no slash."""
    parts = [f"{key}={Path(str(value)).name}" for key, value in given.items()]
    return "_".join([name, *parts]).replace(".", "$")
