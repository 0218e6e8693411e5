"""YAML text into nodes: safe, with line numbers, duplicate keys refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.node import Node, Origin
from elliot_advrec.recipe.safe_yaml import Builder, Loader, TooMuch

LARGEST = 1 << 20
"""Bytes a recipe may have; nobody writes more by hand."""


def read(path: Path, *, overlay: bool = False) -> Node:
    """The mapping in the YAML file ``path``.

    Args:
        overlay: marks the values as an overlay's.

    Raises:
        UserError: missing, a folder, not text, too large, not YAML, not a mapping, or a key twice.
    """
    node = parse(_text(path), Origin(str(path), None, (), overlay))
    if not isinstance(node.value, dict):
        found = "empty" if node.value is None else f"a {_kind(node.value)}"
        raise UserError(
            f"the file must hold a mapping (key: value), and it is {found}",
            where=str(path),
            remedy="see recipes/",
        )
    return node


def parse(text: str, origin: Origin) -> Node:
    """``text`` as a node; ``origin`` is the place of its first character."""
    loader: Loader | None = None
    try:
        loader = Loader(text)
        composed = loader.get_single_node()
        if composed is None:
            return Node(None, origin)
        return Builder(loader).build(composed, origin)
    except yaml.reader.ReaderError as error:
        raise UserError(
            f"the character {error.character:#04x} is not allowed in YAML",
            where=_line(origin, text.count("\n", 0, error.position)),
            remedy="take it out",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _line(origin, None if mark is None else mark.line)
        if isinstance(error, TooMuch):
            raise UserError(
                "too many or too deeply nested values", where=where, remedy="name a recipe, not data"
            ) from None
        remedy = "indent with spaces, not tabs" if "'\\t'" in str(error.problem) else "mend that line"
        raise UserError(
            f"not YAML ({error.problem or error.context})",
            where=where,
            remedy=remedy,
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _line(origin: Origin, line: int | None) -> str:
    """A place in the text at ``origin``, by its ``line`` counted from 0; values of ``--set`` have none."""
    counted = line is not None and (origin.line is not None or not origin.path)
    return str(Origin(origin.file, line + 1 if counted and line is not None else None))


def _text(path: Path) -> str:
    if path.is_dir():
        raise UserError(
            "this is a folder, not a recipe file", where=str(path), remedy="name a .yml file in it"
        )
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError:
        beside = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise UserError("there is no such file", where=str(path), remedy=nearest(path.name, beside)) from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if len(data) > LARGEST:
        raise UserError("larger than 1 MiB", where=str(path), remedy="name a recipe: a YAML text file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError("not a text file", where=str(path), remedy="name a recipe: a YAML file in UTF-8")
    return text


def _kind(value: Any) -> str:
    return {list: "list", str: "text", bool: "truth value"}.get(type(value), "number")
