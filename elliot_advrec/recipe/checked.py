"""Nodes into validated settings; every complaint names file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from elliot_advrec.component import complaint
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.eps import ratio
from elliot_advrec.recipe.node import Node

M = TypeVar("M", bound=BaseModel)
_FRACTION = re.compile(r"\d+(\.\d+)?\s*/\s*[1-9]\d*")


def build(model: type[M], node: Node, folder: Path) -> M:
    """``model`` from the mapping ``node``; settings declared as paths are resolved from ``folder``.

    Raises:
        UserError: the first thing that is wrong.
    """
    mapping(node)
    # A resolved recipe writes every default out; settings that repeat a default count as not given, so
    # that rules such as "first_step only with cosine" do not trip over them.
    settings = {
        key: value
        for key, value in _located(model, node, folder).plain().items()
        if not _default(model, key, value)
    }
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        location, what, remedy = complaint(error, model)
        raise UserError(what, where=node.where(*location), remedy=remedy) from None


def mapping(node: Node, known: Collection[str] | None = None) -> Node:
    """``node``, which must be a mapping, of ``known`` keys where those are given.

    Raises:
        UserError: it is not, or has an unknown key.
    """
    if not isinstance(node.value, dict):
        raise UserError(
            "must be a mapping (key: value)", where=str(node.origin), remedy="indent its keys below it"
        )
    for key in node.value:
        if known is not None and key not in known:
            raise UserError(f"unknown key '{key}'", where=node.where(key), remedy=nearest(key, known))
    return node


def entries(node: Node | None, what: str) -> list[Node]:
    """The entries of a list; a single entry stands for a list of one; none for an absent list.

    Raises:
        UserError: the list is empty.
    """
    if node is None or node.value is None:
        return []
    found: list[Node] = node.value if isinstance(node.value, list) else [node]
    if not found:
        raise UserError(f"the list of {what} is empty", where=str(node.origin), remedy="name at least one")
    return found


def text(node: Node, what: str) -> str:
    """The text a node holds.

    Raises:
        UserError: it holds something else.
    """
    if not isinstance(node.value, str) or not node.value.strip():
        raise UserError(f"{what} must be text, got {node.plain()!r}", where=str(node.origin))
    return node.value


def resolve(value: str, folder: Path) -> str:
    """``value`` as an absolute path, taken from ``folder`` when relative, with ``~`` expanded."""
    path = Path(value).expanduser()
    # Not Path.resolve, which raises at a link that leads to itself.
    return str(path) if path.is_absolute() else os.path.realpath(folder / path)


def _located(model: type[BaseModel], node: Node, folder: Path) -> Node:
    settings: dict[str, Node] = {}
    for key, child in node.items():
        field = model.model_fields.get(key)
        settings[key] = child if field is None else _field(field.annotation, child, folder)
    return Node(settings, node.origin)


def _field(annotation: Any, node: Node, folder: Path) -> Node:
    leaves = _leaves(annotation)
    if isinstance(node.value, dict):
        models = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
        return _located(models[0], node, folder) if models else node
    if isinstance(node.value, list):
        return Node([_field(annotation, child, folder) for child in node.value], node.origin)
    if float in leaves and isinstance(node.value, str) and _FRACTION.fullmatch(node.value.strip()):
        return Node(ratio(node.value), node.origin)  # 8/255, as in budgets
    if Path in leaves and isinstance(node.value, str) and node.value and node.value not in leaves:
        return Node(resolve(node.value, folder), node.origin)
    return node


def _leaves(annotation: Any) -> list[Any]:
    """The types, and the values of literals, that an annotation is made of."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    arguments = get_args(annotation)
    return [leaf for part in arguments for leaf in _leaves(part)] if arguments else [annotation]


def _default(model: type[BaseModel], key: str, value: Any) -> bool:
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return False
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json")
    default = list(default) if isinstance(default, tuple) else default
    return type(value) is type(default) and bool(value == default)
