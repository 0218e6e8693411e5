"""``catalog``: where the items and their pictures come from, and at what size."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError
from elliot_advrec.recipe.checked import build
from elliot_advrec.recipe.entry import open_entry
from elliot_advrec.recipe.kinds import SOURCE
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import CatalogSpec


class _Pictures(Config):
    size: int = Field(default=96, ge=16, le=1024)


def read_catalog(node: Node, folder: Path) -> CatalogSpec:
    """The catalog of the section ``node``, of a recipe that lies in ``folder``.

    Raises:
        UserError: the first thing that is wrong.
    """
    child = node.get("catalog")
    if child is None:
        raise UserError(
            "'catalog' is missing", where=node.where("catalog"), remedy="name where the items come from"
        )
    entry = open_entry(SOURCE, child, folder)
    spec = entry.spec(folder)
    return CatalogSpec(
        spec.name, spec.kind, spec.config, spec.where, build(_Pictures, entry.own, folder).size
    )
