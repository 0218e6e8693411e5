"""The JSON Schema of a recipe's components: one of a kind by name, by preset or with its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from elliot_advrec.component import Component
from elliot_advrec.recipe.guard_spec import PARTS, GuardConfig
from elliot_advrec.recipe.kinds import DEFENSE, DETECTOR, FILTER, Kind
from elliot_advrec.recipe.schema_shapes import NAME, VARIABLE, Schema, or_null, partial, some, without_empty
from elliot_advrec.recipe.shipped import preset_path, presets
from elliot_advrec.recipe.text import read


class Entries:
    """Schemas of entries, with the definitions that they share.

    Args:
        beside: a recipe's folder, whose ``configs/`` holds presets too.
    """

    def __init__(self, beside: Path | None) -> None:
        self.beside = beside
        self.definitions: Schema = {}
        """What parts refer to, by name."""

    def model(self, model: type[BaseModel]) -> Schema:
        """The schema of a settings class; what it refers to goes to the shared definitions."""
        found = model.model_json_schema(ref_template="#/$defs/{model}", mode="validation")
        self.definitions |= found.pop("$defs", {})
        found.setdefault("properties", {})
        found.pop("title", None)
        found["additionalProperties"] = False
        for key, value in found["properties"].items():
            if value.get("type") in ("integer", "number"):
                found["properties"][key] = {
                    "anyOf": [value, VARIABLE],
                    "description": value.get("description"),
                }
        return without_empty(found)

    def types(self, folder: str, key: str) -> dict[str, list[str]]:
        """Component -> names of its presets, which say under ``key`` what they set up."""
        found: dict[str, list[str]] = {}
        for name, _ in presets(folder, self.beside):
            path = preset_path(folder, name, self.beside)
            node = read(path).get(key) if path is not None else None
            if node is not None:
                found.setdefault(str(node.value), []).append(name)
        return found

    def kind(self, kind: Kind[Any], own: Schema) -> Schema:
        """A name, or a mapping of one component's settings."""
        by_type = self.types(kind.folder, kind.key)
        names = sorted({*kind.registry.names(), *(name for found in by_type.values() for name in found)})
        branches: list[Schema] = [{"enum": names}]
        for name in kind.registry.names():
            branches.append(self._entry(kind, name, [*by_type.get(name, []), name], own))
        return {"anyOf": branches}

    def _entry(self, kind: Kind[Any], name: str, names: list[str], own: Schema) -> Schema:
        component: type[Component] = kind.registry.get(name)
        settings = self.model(component.config_class)
        steps = settings["properties"].get("steps")
        if steps is not None and "eps" in own:
            settings["properties"]["steps"] = some(steps)
        settings.pop("required", None)  # a preset may fill it in
        naming = {kind.key: {"const": name}, "preset": {"enum": sorted(set(names))}, "name": NAME}
        return {
            **settings,
            "description": component.summary(),
            "properties": {**settings["properties"], **own, **naming},
            "anyOf": [
                {"required": [kind.key]},
                {"required": ["preset"]},
                {"required": ["name"], "properties": {"name": {"enum": sorted(set(names))}}},
            ],
        }

    def guards(self) -> list[Schema]:
        """Entries with a filter or a detector: a preset's name, its settings changed, or all written here."""
        names = []
        for name, _ in presets(DEFENSE.folder, self.beside):
            path = preset_path(DEFENSE.folder, name, self.beside)
            if path is not None and any(read(path).get(part) is not None for part in PARTS):
                names.append(name)
        settings = self.model(GuardConfig)
        for key in ("knowledge", "evasion"):
            several = {**settings["properties"][key], "minItems": 1, "uniqueItems": True}
            settings["properties"][key] = {
                "description": several.pop("description", None),
                "anyOf": [several, several["items"]],
            }
        settings["description"] = "What stands in front of an extractor: a filter, a detector, or both."
        settings["properties"]["name"] = NAME
        parts = {"filter": self.kind(FILTER, {}), "detector": self.kind(DETECTOR, {})}
        whole = {**settings, "properties": {**settings["properties"], **or_null(parts)}}
        whole["anyOf"] = [
            {"required": [part], "properties": {part: {"not": {"type": "null"}}}} for part in PARTS
        ]
        changed = {part: {"anyOf": [partial(each) for each in kind["anyOf"]]} for part, kind in parts.items()}
        preset = {
            **settings,
            "properties": {**settings["properties"], **or_null(changed), "preset": {"enum": names}},
            "anyOf": [
                {"required": ["preset"]},
                {"required": ["name"], "properties": {"name": {"enum": names}}},
            ],
        }
        return [{"enum": names}, whole, preset]
