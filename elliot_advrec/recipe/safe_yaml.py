"""YAML that can do no harm: no objects, a bounded number of values, numbers as YAML 1.2 has them."""

from __future__ import annotations

import re
from typing import Any

import yaml

from elliot_advrec.errors import UserError
from elliot_advrec.recipe.node import Node, Origin

_MOST_VALUES, _DEEPEST = 20_000, 40
_LONGEST_NUMBER = 400
"""Characters: YAML's numbers of base 60 are read in the square of their length."""
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}


class TooMuch(yaml.MarkedYAMLError):
    """More values, or deeper ones, than anybody writes by hand."""


class Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2: ``1e-3`` is a number, ``2024-01-01`` is text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.left, self.depth = 2 * _MOST_VALUES, 0  # keys are nodes too

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node, counted: PyYAML itself would recurse without end, and read a long list for minutes."""
        self.left, self.depth = self.left - 1, self.depth + 1
        if self.left < 0 or self.depth > _DEEPEST:
            raise TooMuch(problem_mark=self.peek_event().start_mark)
        found: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return found

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """What merge keys bring, counted: merges of merges of merges unfold as anchors do."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST_VALUES:
            raise TooMuch(problem_mark=node.start_mark)

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


class Builder:
    """Composed YAML into nodes that know their place; refuses foreign tags, and a key that stands twice."""

    def __init__(self, loader: Loader) -> None:
        self.loader, self.left = loader, _MOST_VALUES

    def build(self, node: yaml.Node, origin: Origin) -> Node:
        """The node of what stands at ``origin``.

        Raises:
            UserError: the first thing that is wrong, and its line.
        """
        # Anchors may nest without end, or unfold a few lines into billions of values.
        self.left -= 1
        if self.left < 0 or len(origin.path) > _DEEPEST:
            raise UserError(
                "too many or too deeply nested values", where=str(origin), remedy="use fewer anchors"
            )
        if origin.line is None:
            origin = Origin(origin.file, node.start_mark.line + 1, origin.path, origin.overlay)
        if node.tag not in _TAGS:
            raise UserError(
                f"the YAML tag '{node.tag}' is not allowed", where=str(origin), remedy="leave it out"
            )
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, origin), origin)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.build(c, self._place(c, origin, i)) for i, c in enumerate(node.value)], origin)
        return Node(self._scalar(node, origin), origin)

    def _mapping(self, node: yaml.MappingNode, origin: Origin) -> dict[str, Node]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError("a key must be plain text", where=str(self._place(key, origin)))
            if key.value in lines:
                raise UserError(
                    f"the key '{key.value}' stands here twice",
                    where=str(self._place(key, origin, key.value)),
                    remedy=f"keep one; the other is in line {lines[key.value]}",
                )
            lines[key.value] = key.start_mark.line + 1
        self.loader.flatten_mapping(node)  # the merge key <<; what it brings may be overridden beside it
        return {
            str(k.value): self.build(child, self._place(k, origin, str(k.value))) for k, child in node.value
        }

    def _scalar(self, node: yaml.Node, origin: Origin) -> Any:
        if len(node.value) > _LONGEST_NUMBER and not node.tag.endswith(":str"):
            raise UserError(
                f"'{_shown(node.value)}' is no number that anybody needs",
                where=str(origin),
                remedy="quote it",
            )
        try:
            return self.loader.construct_object(node)
        except (ValueError, KeyError, IndexError):  # !!int abc, !!bool maybe, an empty !!float
            raise UserError(
                f"'{_shown(node.value)}' is not a {node.tag.rpartition(':')[2]}", where=str(origin)
            ) from None

    @staticmethod
    def _place(node: yaml.Node, parent: Origin, *key: str | int) -> Origin:
        return Origin(parent.file, node.start_mark.line + 1, (*parent.path, *key), parent.overlay)


def _shown(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:40]}..."
