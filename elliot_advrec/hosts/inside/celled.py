"""A cell as an Elliot model: our engine has made the lists, Elliot asks for them and judges them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Stage
from elliot_advrec.experiment.lists import NAME
from elliot_advrec.hosts.inside.agreement import check_split, over_catalog
from elliot_advrec.hosts.inside.engine import Engine, open_engine
from elliot_advrec.hosts.inside.ids import typed
from elliot_advrec.hosts.inside.lists import Lists, stored_lists
from elliot_advrec.hosts.inside.running import Running, read
from elliot_advrec.hosts.inside.telling import Telling


def make_cell(name: str, recipe: Running) -> Callable[..., Cell]:
    """What makes the cell ``name`` once Elliot has data for it; does the cell's work if that is still to do.

    Raises:
        UserError: no such cell, or anything that its work may raise.
    """
    engine = _engine(recipe.path, recipe.path.stat().st_mtime_ns)
    stage = engine.cell(name, recipe.where(f"models.external.{name}"))

    def start(data: Any, config: Any, params: Any) -> Cell:
        return Cell(name, engine, stage, data, str(recipe.path))

    return start


class Cell:
    """Hands over the lists of one cell.

    Raises:
        UserError: Elliot has split the interactions in another way than our engine.
    """

    def __init__(self, name: str, engine: Engine, stage: Stage, data: Any, where: str) -> None:
        self.name = name
        interactions, ids = engine.interactions(stage), engine.ids
        users = {str(user): user for user in data.users}
        items = {str(item): item for item in data.items}
        users_of = {u: users.get(ids.user(u), ids.user(u)) for u in interactions.users}
        items_of = {i: items.get(ids.item(i), typed(data.items, ids.item(i))) for i in engine.items(stage)}
        check_split(data, interactions, users_of, items_of, where)
        self._lists = stored_lists(engine.workspace.folder(stage) / NAME, users_of, items_of)
        self.data = data if stage.parts["known_only"] else over_catalog(data, items_of.values())

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


@lru_cache(maxsize=1)
def _engine(path: Path, changed: int) -> Engine:
    """Elliot makes a class for every model; the engine behind the models of one recipe is one."""
    try:
        return open_engine(read(path), Telling())
    except UserError as error:
        raise error if error.where else error.at(str(path)) from None
