"""Settings as a table: key, what it may be, default, meaning; all from a model's JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

#: More names than this are not listed in a cell.
MANY = 12


@dataclass(frozen=True)
class Setting:
    """One row of a table."""

    key: str
    kind: str
    default: str
    meaning: str


def of_model(model: type[BaseModel]) -> list[Setting]:
    """The settings of a model, those of models inside it under ``outer.inner``."""
    schema = model.model_json_schema()
    return list(of_properties(schema, schema.get("$defs", {})))


def of_properties(schema: Schema, definitions: Schema, prefix: str = "") -> Iterator[Setting]:
    """The settings of an object in a JSON Schema.

    Args:
        definitions: what ``$ref`` points to, by name.
        prefix: what stands before every key, with its dot.
    """
    required = schema.get("required", [])
    for key, one in schema.get("properties", {}).items():
        inner = _inner(one, definitions)
        meaning = _flat(one.get("description") or "")
        if not meaning and None in one.get("enum", []):
            continue  # a key of Elliot's that may only be off
        if inner is not None:
            yield Setting(f"{prefix}{key}", "mapping", "", meaning)
            yield from of_properties(inner, definitions, f"{prefix}{key}.")
            continue
        default = "required" if key in required and not _default(one) else _default(one)
        yield Setting(f"{prefix}{key}", kind(one, definitions), default, meaning)
        if (entry := _entry(one, definitions)) is not None:
            yield from of_properties(entry, definitions, f"{prefix}{key}[].")


def table(settings: list[Setting]) -> str:
    """The settings as a table in Markdown; a line that says so where there are none."""
    if not settings:
        return "It has no settings.\n"
    lines = ["| setting | is | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_key(s.key)} | {_cell(s.kind)} | {_cell(s.default)} | {_cell(s.meaning)} |" for s in settings
    ]
    return "\n".join(lines) + "\n"


def kind(one: Schema, definitions: Schema) -> str:
    """What a setting may be, in words."""
    if "$ref" in one:
        found = definitions.get(one["$ref"].rpartition("/")[2], {})
        return kind(found, definitions) if "enum" in found else "mapping"
    if "const" in one:
        return f"`{_plain(one['const'])}`"
    if len(one.get("enum", [])) > MANY:
        return f"one of {len(one['enum'])} names"
    if "enum" in one:
        return " or ".join(f"`{_plain(value)}`" for value in one["enum"])
    branches = one.get("anyOf") or one.get("oneOf")
    if branches:
        words = [kind(branch, definitions) for branch in branches]
        return " or ".join(dict.fromkeys(word for word in words if word))
    named = one.get("type")
    if named == "array":
        inner = one.get("items")
        of = kind(inner, definitions) if isinstance(inner, dict) and inner else ""
        return f"list of {of}" if of else "list"
    if isinstance(named, list):
        return " or ".join(kind({**one, "type": each}, definitions) for each in named)
    if named in ("integer", "number"):
        return ("whole number" if named == "integer" else "number") + _bounds(one)
    if named == "string" and "pattern" in one:
        # That any number may be a ${VARIABLE} is said once, above the tables.
        return "" if one["pattern"].startswith(r"\$\{") else "fraction such as `8/255`"
    return {"string": "text", "boolean": "`true` or `false`", "null": "`null`", "object": "mapping"}.get(
        str(named), ""
    )


def _bounds(one: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    parts = [f"{sign} {_number(one[key])}" for key, sign in signs.items() if key in one]
    if "multipleOf" in one:
        parts.append(f"multiple of {_number(one['multipleOf'])}")
    return " " + ", ".join(parts) if parts else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _inner(one: Schema, definitions: Schema) -> Schema | None:
    """The object that a setting is always, or with null; None for anything else."""
    branches = [one, *one.get("anyOf", []), *one.get("allOf", [])]
    found = [
        definitions[b["$ref"].rpartition("/")[2]]
        for b in branches
        if "$ref" in b and b["$ref"].rpartition("/")[2] in definitions
    ]
    return found[0] if len(found) == 1 and found[0].get("properties") else None


def _entry(one: Schema, definitions: Schema) -> Schema | None:
    """The object that every entry of a list is; None where it is not a list of objects."""
    for branch in (one, *one.get("anyOf", [])):
        items = branch.get("items")
        if isinstance(items, dict) and "$ref" in items:
            return definitions.get(items["$ref"].rpartition("/")[2])
    return None


def _default(one: Schema) -> str:
    """The default, where it is set and short enough to be read in a table."""
    for branch in (one, *one.get("anyOf", [])):
        if "default" in branch:
            shown = _plain(branch["default"])
            return f"`{shown}`" if len(shown) < 60 else "see `elliot check --resolved`"
    return ""


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value)


def _key(key: str) -> str:
    """A key as code; a long one may wrap behind its dots."""
    if "." not in key:
        return f"`{key}`"
    safe = key.replace("_", "&#95;").replace("[", "&#91;").replace("]", "&#93;")
    return f"<code>{safe.replace('.', '.<wbr>')}</code>"


def _flat(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
