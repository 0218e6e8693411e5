"""A recommender of ours on Elliot's own data: for recipes without an ``adversarial`` section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from elliot_advrec.component import validate
from elliot_advrec.data.features import open_features, read_matrix
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.experiment import resolve_device
from elliot_advrec.hosts.embedded import repeatable
from elliot_advrec.hosts.inside.agreement import matrix
from elliot_advrec.hosts.inside.lists import Lists, best_lists
from elliot_advrec.hosts.inside.running import Running
from elliot_advrec.hosts.inside.telling import Telling
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
        features = given.get("features") or _side_information(data)
        settings = {key: value for key, value in given.items() if key not in OURS}
        self._recommender = kind(validate(kind.config_class, settings, where))
        self._recommender.context = FitContext(selection=_selection(config, params.meta))
        self._seed = int(given.get("seed", 42))
        self.name = _label(name, {key: value for key, value in given.items() if key != "meta"})
        self._item = np.empty(data.num_items, dtype=object)
        self._item[:] = [data.private_items[place] for place in range(data.num_items)]
        self._features = self._read(features, folder)

    def train(self) -> None:
        """Fit on Elliot's training part.

        Raises:
            UserError: whatever the recommender's ``fit`` may raise, with the section.
        """
        try:
            self._recommender.fit(
                self._interactions(), self._features, seed=self._seed, device=resolve_device("auto")
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
        step = max(1, BLOCK // max(1, len(self._item)))
        for start in range(0, len(users), step):
            block = np.arange(start, min(start + step, len(users)))
            scores = self._recommender.scores(block)
            found |= best_lists(scores, mask[block], users[start : start + step], self._item, k)
        return found

    def _read(self, features: Any, folder: Path) -> np.ndarray | None:
        """(N, D) features of Elliot's items in its order; None where none are named."""
        if features is None:
            return None
        names = [str(item) for item in self._item]
        file = open_features(folder / str(features))
        there = set(file.ids)
        missing = [name for name in names if name not in there]
        if missing and len(missing) < len(names):
            raise UserError(
                f"{len(missing)} of {len(names)} items with training rows have no features"
                f" (first: '{missing[0]}')",
                where=str(file.path),
                remedy="extract them, or take the items' rows out of the data",
            )
        read = read_matrix(file, names)
        for note in read.notes:
            Telling().say(note)
        return np.asarray(read.values)

    def _interactions(self) -> Interactions:
        data, column = self.data, self.data.public_items
        shape = (data.num_users, len(column))
        parts = []
        for ratings in (data.train_dict, data.get_validation(), data.get_test()):
            # Elliot can recommend no item without training rows, so nothing is learned from one either.
            known = None if ratings is None else {u: _only(rated, column) for u, rated in ratings.items()}
            parts.append(None if known is None else matrix(known, data.public_users, column, shape))
        train, validation, test = parts
        assert train is not None
        assert test is not None
        users = [str(user) for user in data.private_users.values()]
        return Interactions(users, train, validation, test, simulated=False, notes=[])


_WRITTEN = ("name", "best_iteration")
"""What Elliot itself writes into the namespace of a model."""


def _side_information(data: Any) -> str | None:
    """The folder of Elliot's ``VisualAttribute`` loader, where the recipe has one."""
    side = getattr(getattr(data, "side_information", None), "VisualAttributes", None)
    return getattr(side, "visual_feature_folder_path", None)


def _only(rated: dict[Any, float], column: dict[Any, int]) -> dict[Any, float]:
    return {item: rating for item, rating in rated.items() if item in column}


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
