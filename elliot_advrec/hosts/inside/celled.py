"""A cell as an Elliot model: our engine has made the lists, Elliot asks for them and judges them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Stage
from elliot_advrec.experiment.lists import NAME
from elliot_advrec.hosts.inside.agreement import over_catalog, split_apart
from elliot_advrec.hosts.inside.engine import Engine, open_engine
from elliot_advrec.hosts.inside.ids import typed
from elliot_advrec.hosts.inside.lists import Lists, stored_lists
from elliot_advrec.hosts.inside.running import Running, read
from elliot_advrec.hosts.inside.telling import Telling
from elliot_advrec.hosts.suited import ElliotError

REMEDY = "run it with 'elliot run --host elliot', which hands Elliot the rows that are left here"


def make_cell(name: str, recipe: Running) -> Callable[..., Cell]:
    """What makes the cell ``name`` once Elliot has data for it; does the cell's work if that is still to do.

    Raises:
        UserError: no such cell, or anything that its work may raise.
    """
    engine = _engine(recipe.path, recipe.path.stat().st_mtime_ns)
    folds = engine.cell(name, recipe.where(f"models.external.{name}"))

    def start(data: Any, config: Any, params: Any) -> Cell:
        return Cell(name, engine, folds, data, str(recipe.path))

    return start


class Cell:
    """Hands over the lists of one cell, those of the fold that Elliot's data are.

    Args:
        name: the model's name in Elliot's files.
        engine: finished as far as the cell needs it.
        folds: the cell's stages.
        data: Elliot's ``DataSet``.
        where: the recipe, for messages.

    Raises:
        ElliotError: Elliot has split the interactions in another way than our engine.
    """

    def __init__(self, name: str, engine: Engine, folds: list[Stage], data: Any, where: str) -> None:
        self.name = name
        problems = []
        for stage in folds:
            users, items = _elliots_ids(engine, stage, data)
            problem = split_apart(data, engine.interactions(stage), users, items)
            if not problem:
                self._lists = stored_lists(engine.workspace.folder(stage) / NAME, users, items)
                self.data = data if stage.parts["known_only"] else over_catalog(data, items.values())
                return
            problems.append(problem)
        several = f"none of {len(folds)} folds is Elliot's; of the first, " if len(folds) > 1 else ""
        raise ElliotError(several + problems[0], where=where, remedy=REMEDY)

    def train(self) -> None:
        """Nothing: the cell's work was done when its class was made."""

    def lists(self, k: int) -> tuple[Lists, Lists]:
        """The same lists twice: the validation part only chose how the cell was trained."""
        found = {user: rows[:k] for user, rows in self._lists.items()}
        return found, found

    def save_weights(self, path: str) -> None:
        """Nothing: the store has them."""

    def load_weights(self, path: str) -> None:
        """Nothing: the store has them."""


def _elliots_ids(engine: Engine, stage: Stage, data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our users and items of a fold -> Elliot's."""
    ids = engine.ids
    users, items = {str(user): user for user in data.users}, {str(item): item for item in data.items}
    return (
        {u: users.get(ids.user(u), ids.user(u)) for u in engine.interactions(stage).users},
        {i: items.get(ids.item(i), typed(data.items, ids.item(i))) for i in engine.items(stage)},
    )


@lru_cache(maxsize=1)
def _engine(path: Path, changed: int) -> Engine:
    """Elliot makes a class for every model; the engine behind the models of one recipe is one."""
    try:
        return open_engine(read(path), Telling())
    except UserError as error:
        raise error if error.where else error.at(str(path)) from None
