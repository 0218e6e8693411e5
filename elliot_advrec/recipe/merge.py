"""Laying one tree over another: presets under entries, overlays and ``--set`` over all."""

from __future__ import annotations

import re
from collections.abc import Collection

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.node import Key, Node, Origin
from elliot_advrec.recipe.text import parse

EVERY = "*"
"""Key of an overlay that stands for each entry of a list."""
_PART = re.compile(r"\[(\d+)\]|\"([^\"]+)\"|([^.\[\]\"]+)")
_NAMING = ("name", "preset", "type", "source")


def merge(base: Node, over: Node) -> Node:
    """``over`` laid over ``base``: mappings key by key, all else replaced.

    A mapping over a list changes entries of the list: ``"*"`` each of them, another key the entries of that
    name, and neither makes a list where there is none. A key of an overlay that ends in ``?`` changes an
    existing key, and waits for ``settle`` otherwise. A catalog that an overlay names takes the place of
    another one, whose settings would be pictures and users of other data.
    """
    if isinstance(base.value, list) and isinstance(over.value, dict) and over.origin.overlay:
        return Node([_entry(entry, over) for entry in base.value], base.origin)
    if isinstance(over.value, dict):
        base = _opened(base)
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, child in over.items():
        bare = key.removesuffix("?")
        place = bare if child.origin.overlay and bare in merged else key
        if place not in merged and _of_every_entry(child):
            continue  # there is no list
        replaced = key == "catalog" and place in merged and _another(merged[place], child)
        merged[place] = merge(merged[place], child) if place in merged and not replaced else child
    return Node(merged, base.origin)


def _another(base: Node, over: Node) -> bool:
    """Whether an overlay names another catalog than the recipe."""
    if not over.origin.overlay:
        return False
    base = _opened(base)
    named = {key: node.value for key in ("preset", "source") if (node := over.get(key)) is not None}
    return any((held := base.get(key)) is None or held.value != value for key, value in named.items())


def _of_every_entry(node: Node) -> bool:
    return node.origin.overlay and isinstance(node.value, dict) and EVERY in node.value


def settle(settings: Node, known: Collection[str]) -> Node:
    """Overlay keys ``key?`` as ``key`` where it is ``known``, dropped where not.

    A ``key`` that is there as well was set after the overlay was laid: it goes over what the overlay says.
    """
    settled: dict[str, Node] = {}
    for key, child in settings.items():
        bare = key.removesuffix("?")
        if bare == key or not child.origin.overlay:
            settled[key] = merge(settled[key], child) if key in settled else child
        elif bare in known:
            settled[bare] = child
    return Node(settled, settings.origin)


def label(entry: Node) -> str | None:
    """The name a list entry goes by: its ``name``, else its preset or type."""
    if isinstance(entry.value, str):
        return entry.value
    found = (entry.get(key) for key in _NAMING)
    return next((str(node.value) for node in found if node is not None), None)


def _entry(entry: Node, over: Node) -> Node:
    name = label(entry)
    if name == "none":  # no component, so it has no settings
        return entry
    for key, child in over.items():
        if key in (EVERY, name):
            entry = merge(entry, child)
    return entry


def _opened(entry: Node) -> Node:
    """What is written as a name alone (``at``), as the mapping it stands for (``preset: at``)."""
    return Node({"preset": entry}, entry.origin) if isinstance(entry.value, str) else entry


def override(tree: Node, assignment: str, shorthand: Collection[str]) -> Node:
    """``tree`` after one ``--set key=value``.

    ``key`` is a dotted path from the top, from ``experiment`` or from ``experiment.adversarial``; entries of
    lists are named by position (``attacks[0]``) or by name (``attacks.pgd``). ``value`` is YAML.

    Args:
        shorthand: the keys of ``experiment.adversarial``, which may stand first.

    Raises:
        UserError: no ``=``, a value that is not YAML, a position or name that the list does not have.
    """
    place = f"--set {assignment}"
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(
            f"'{assignment}' is not of the form key=value", where="--set", remedy="e.g. seeds=[1,2]"
        )
    path = _path(key.strip())
    if path[0] != "experiment":
        path = ["experiment", *(["adversarial"] if path[0] in shorthand else []), *path]
    value = parse(text, Origin(place, None, tuple(path)))
    return _put(tree, path, _lineless(value), place)


def _path(key: str) -> list[Key]:
    parts: list[Key] = []
    for part in _PART.findall(key):
        position, quoted, plain = part
        parts.append(int(position) if position else quoted or plain.strip())
    if not parts or _PART.sub("", key).strip("."):  # a bracket or a quote without its other half
        raise UserError(f"'{key}' names no key", where="--set", remedy="e.g. --set attacks.pgd.eps=0.03")
    return parts


def _lineless(node: Node) -> Node:
    """A value from the command line has no line of its own."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _lineless(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_lineless(child) for child in value]
    return Node(value, Origin(node.origin.file, None, node.origin.path))


def _put(tree: Node, path: list[Key], value: Node, place: str) -> Node:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree.value, list):
        index = _index(tree, key, place)
        entries = list(tree.value)
        entries[index] = _put(entries[index], rest, value, place)
        return Node(entries, tree.origin)
    # Elliot's names of models hold a dot: external.ContentKNN.
    while (
        rest
        and isinstance(tree.value, dict)
        and str(key) not in tree.value
        and (key == "external" or f"{key}.{rest[0]}" in tree.value)
    ):
        key, rest = f"{key}.{rest[0]}", rest[1:]
    if isinstance(key, int):
        raise UserError(f"position [{key}] of what is no list", where=place, remedy="name a key instead")
    above = value.origin.path[: len(value.origin.path) - len(rest)]  # a mapping that is made for it
    empty = Node({}, Origin(value.origin.file, None, above))
    base = _opened(tree) if isinstance(tree.value, dict | str) else empty
    child = _put(base.value.get(key, empty), rest, value, place)
    kept = base.value if rest else _but_waiting(base.value, f"{key}?")
    return Node({**kept, key: child}, base.origin)


def _but_waiting(held: dict[str, Node], key: str) -> dict[str, Node]:
    """All but what an overlay says under ``key``, which waits for ``settle`` and is not to be mixed in."""
    return {name: child for name, child in held.items() if name != key or not child.origin.overlay}


def _index(entries: Node, key: Key, place: str) -> int:
    names = [label(entry) or "" for entry in entries.value]
    if isinstance(key, int) or key.isdecimal():
        if int(key) < len(names):
            return int(key)
        raise UserError(f"there is no entry [{key}]", where=place, remedy=f"the list has {len(names)}")
    if key not in names:
        raise UserError(f"there is no entry '{key}'", where=place, remedy=nearest(key, set(names) - {""}))
    if names.count(key) > 1:
        raise UserError(
            f"{names.count(key)} entries are called '{key}'",
            where=place,
            remedy="name one by position, e.g. [0]",
        )
    return names.index(key)
