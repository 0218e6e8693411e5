"""The shapes that parts of the JSON Schema of recipes share: one or several, nothing, a search, names."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

EPS: Schema = {
    "description": "Radius of the budget in pixel units of [0, 1]: a number or a fraction.",
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?([eE][-+]?\d+)?(\s*/\s*\d+)?\s*$"},
    ],
}
NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "Label in tables; the preset's name if absent.",
}
OFF: Schema = {"enum": [None, False]}
VARIABLE: Schema = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


def or_null(parts: dict[str, Schema]) -> Schema:
    """Parts that may be switched off."""
    return {name: {"anyOf": [part, {"type": "null"}]} for name, part in parts.items()}


def partial(entry: Schema) -> Schema:
    """Settings of a part that a preset names already."""
    return {key: value for key, value in entry.items() if key != "anyOf"}


def searched(one: Schema) -> Schema:
    """A setting, or the list of what is tried for it."""
    if one.get("type") == "array":
        return one
    return {"description": one.get("description"), "anyOf": [one, {"type": "array", "minItems": 1}]}


def some(one: Schema) -> Schema:
    """One, or a list of at least one."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def without_empty(value: Any) -> Any:
    """A schema less its null descriptions."""
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if not (k == "description" and v is None)}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


def names_of(description: str) -> Schema:
    """A name, several, or null: all."""
    names = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]
    return {"anyOf": names, "description": description}
