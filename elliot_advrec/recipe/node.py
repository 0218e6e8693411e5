"""A value of a recipe that remembers where it was written, so that every complaint can name file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Key = str | int


@dataclass(frozen=True)
class Origin:
    """The place a value was written at.

    Attributes:
        file: the file's path, or ``--set ...`` for an override of the command line.
        line: counted from 1; None where there are no lines.
        path: keys and list positions that lead to the value within ``file``.
        overlay: whether ``file`` is an overlay, whose keys may end in ``?`` (set it if the part has it).
    """

    file: str
    line: int | None = None
    path: tuple[Key, ...] = ()
    overlay: bool = False

    def down(self, key: Key) -> Origin:
        """The same place one key further in."""
        return Origin(self.file, self.line, (*self.path, key), self.overlay)

    def __str__(self) -> str:
        line = f":{self.line}" if self.line is not None else ""
        keys = dotted(self.path)
        return f"{self.file}{line}: {keys}" if keys else f"{self.file}{line}"


@dataclass(frozen=True)
class Node:
    """A mapping of nodes, a list of nodes, or a scalar, and where it was written."""

    value: Any
    origin: Origin

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """The child under ``key``; None where there is none or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and children of a mapping; nothing for any other value."""
        yield from self.value.items() if isinstance(self.value, dict) else ()

    def without(self, *keys: str) -> Node:
        """The mapping less ``keys``."""
        return Node({key: child for key, child in self.items() if key not in keys}, self.origin)

    def where(self, *path: Key) -> str:
        """The place of what ``path`` leads to, in words; of the last key that was written when it was not.

        Parts that pydantic puts into a location and nobody wrote (branches of a union) are passed over.
        """
        node, rest = self, list(path)
        while rest:
            key = rest.pop(0)
            child = None
            if isinstance(node.value, dict):
                child = node.value.get(key)
            elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
                child = node.value[key]
            if child is not None:
                node = child
            elif not rest and isinstance(node.value, dict):
                return str(node.origin.down(key))
        return str(node.origin)


def dotted(path: tuple[Key, ...]) -> str:
    """``("attacks", 1, "eps")`` as ``attacks[1].eps``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
