"""Entries of a recipe: a name or a mapping, its preset filled in, its component found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.checked import build, text
from elliot_advrec.recipe.kinds import Kind, P
from elliot_advrec.recipe.merge import merge, settle
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.shipped import preset_path, presets
from elliot_advrec.recipe.spec import Spec
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.variables import expand


@dataclass(frozen=True)
class Entry(Generic[P]):
    """One entry with its preset filled in, not validated yet."""

    name: str
    kind: str
    component: type[P]
    settings: Node
    """The component's own settings."""
    own: Node
    """The keys of ``Kind.own``."""

    def spec(self, folder: Path) -> Spec:
        """The validated component."""
        return Spec(
            self.name, self.kind, build(self.component.config_class, self.settings, folder), self.where
        )

    @property
    def where(self) -> str:
        return str(self.settings.origin)


def open_entry(kind: Kind[P], node: Node, folder: Path) -> Entry[P]:
    """An entry's component and settings: its preset's, overridden by its own.

    Args:
        node: a name, or a mapping with ``preset`` or the kind's own key (``type``).
        folder: the recipe's; presets in its ``configs/`` come before the packaged ones.

    Raises:
        UserError: neither a name nor a mapping, no such preset or component, or both named.
    """
    if isinstance(node.value, str):
        node = Node({"preset": node}, node.origin)
    if not isinstance(node.value, dict):
        raise UserError(
            f"this {kind.word} must be a name, or a mapping with 'preset' or '{kind.key}',"
            f" got {node.plain()!r}",
            where=str(node.origin),
        )
    named, direct, label = node.get("preset"), node.get(kind.key), node.get("name")
    if named is not None and direct is not None:
        raise UserError(
            f"both 'preset' and '{kind.key}' are given", where=node.where("preset"), remedy="keep one"
        )
    if named is None and direct is None:
        if label is None:
            raise UserError(
                f"no {kind.word} is named", where=str(node.origin), remedy=f"add 'preset' or '{kind.key}'"
            )
        named = label  # {name: item_to_item, ...} names the component as well
    settings = node.without("preset", kind.key, "name")
    if direct is not None:
        name = text(direct, f"'{kind.key}'")
        component = kind.registry.get(name, str(direct.origin))
        type_name = name
    else:
        assert named is not None
        name = text(named, "'preset'")
        type_name, component, below = _preset(kind, name, named, folder)
        settings = merge(below, settings) if below is not None else settings
        settings = expand(Node(settings.value, node.origin))  # only now: what was overridden need not be set
    known = {*component.config_class.model_fields, *kind.own}
    settings = settle(settings, known)
    return Entry(
        text(label, "'name'") if label is not None else name,
        type_name,
        component,
        settings.without(*kind.own),
        Node({key: child for key, child in settings.items() if key in kind.own}, node.origin),
    )


def _preset(kind: Kind[P], name: str, node: Node, folder: Path) -> tuple[str, type[P], Node | None]:
    path = preset_path(kind.folder, name, folder)
    if path is None:
        registered = kind.registry.names()
        if name in registered:
            return name, kind.registry.get(name, str(node.origin)), None
        known = {*registered, *(preset for preset, _ in presets(kind.folder, folder))}
        raise UserError(f"unknown {kind.word} '{name}'", where=str(node.origin), remedy=nearest(name, known))
    preset = read(path)
    type_node = preset.get(kind.key)
    if type_node is None:
        raise UserError(
            f"'{kind.key}' is missing", where=str(path), remedy=f"name the {kind.word} it sets up"
        )
    type_name = text(type_node, f"'{kind.key}'")
    return type_name, kind.registry.get(type_name, str(type_node.origin)), preset.without(kind.key)
