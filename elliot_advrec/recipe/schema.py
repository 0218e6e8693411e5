"""The JSON Schema of recipes, for editors that complete and check YAML as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from elliot_advrec.component import Component, Config
from elliot_advrec.data.splits import RULES
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.metrics import METRICS
from elliot_advrec.recipe.adversarial import NO_DEFENSE
from elliot_advrec.recipe.elliot import Experiment, Meta
from elliot_advrec.recipe.guards import PARTS as GUARDING
from elliot_advrec.recipe.guards import GuardConfig
from elliot_advrec.recipe.kinds import ATTACK, DEFENSE, DETECTOR, FILTER, SOURCE, THREAT, Kind
from elliot_advrec.recipe.models import EXTERNAL, FOLDER
from elliot_advrec.recipe.run import RunSettings
from elliot_advrec.recipe.shipped import preset_path, presets
from elliot_advrec.recipe.spec import GIVEN
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.unsupported import UNSUPPORTED
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.recommenders.recommendation_folder import RecommendationFolderConfig
from elliot_advrec.registry import Registry

Schema = dict[str, Any]

EPS: Schema = {
    "description": "Radius of the budget in pixel units of [0, 1]: a number or a fraction.",
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?([eE][-+]?\d+)?(\s*/\s*\d+)?\s*$"},
    ],
}
_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "Label in tables; the preset's name if absent.",
}
_OFF: Schema = {"enum": [None, False]}
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


def schema(beside: Path | None = None) -> Schema:
    """JSON Schema (draft 2020-12) of recipes, with every registered component and preset.

    Args:
        beside: a recipe's folder; presets in its ``configs/`` are known as well.
    """
    return _Writer(beside).recipe()


class _Writer:
    """Collects the definitions that the parts share."""

    def __init__(self, beside: Path | None) -> None:
        self.beside = beside
        self.definitions: Schema = {}

    def recipe(self) -> Schema:
        experiment = self._model(Experiment)
        experiment["properties"] |= {key: {"enum": list(off)} for key, off in UNSUPPORTED[()].items()}
        experiment["properties"] |= {"models": self._models(), "adversarial": self._adversarial()}
        filters = experiment["properties"]["prefiltering"]
        experiment["properties"]["prefiltering"] = {
            "description": filters.get("description"),
            "anyOf": [filters, filters["items"], _OFF],
        }
        experiment["properties"]["negative_sampling"]["anyOf"].append(_OFF)
        experiment["required"] = ["dataset", "models"]
        self._narrow()
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "elliot_advrec recipe",
            "type": "object",
            "properties": {"experiment": experiment},
            "required": ["experiment"],
            "additionalProperties": False,
            "$defs": self.definitions,
        }

    def _narrow(self) -> None:
        """Names and harmless keys that the settings check in code."""
        metrics = {"enum": sorted(METRICS)}
        evaluation = self.definitions["Evaluation"]["properties"]
        evaluation["simple_metrics"] |= {"items": metrics}
        for key in ("simple_metrics", "cutoffs"):
            whole = evaluation[key]
            evaluation[key] = {"description": whole.get("description"), "anyOf": [whole, whole["items"]]}
        self.definitions["Strategy"]["properties"]["strategy"]["enum"] = sorted(RULES)
        for section, name in ((("evaluation",), "Evaluation"), (("data_config",), "DataConfig")):
            harmless = {key: {"enum": list(off)} for key, off in UNSUPPORTED[section].items()}
            self.definitions[name]["properties"] |= harmless

    def _models(self) -> Schema:
        properties: Schema = {}
        meta = self._model(Meta)
        meta["additionalProperties"] = True  # Elliot's other keys of meta are refused by name when they act
        by_type = self._types("recommenders", "type")
        for name in RECOMMENDERS.names():
            component = RECOMMENDERS.get(name)
            settings = self._model(component.config_class)
            # A list of values, or a distribution with its arguments, is a search.
            settings["properties"] = {key: _searched(one) for key, one in settings["properties"].items()}
            settings["properties"]["meta"] = meta
            if named := by_type.get(name):
                settings["properties"]["preset"] = {"enum": named}
            described = {"description": component.summary(), "anyOf": [settings, {"type": "null"}]}
            properties |= {EXTERNAL + name: described, name: described}
        given: dict[str, type[Config]] = {name: component.config_class for name, component in GIVEN.items()}
        given[FOLDER] = RecommendationFolderConfig
        for name, config in given.items():
            settings = self._model(config)
            settings["properties"]["meta"] = meta
            properties[name] = settings
        return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}

    def _adversarial(self) -> Schema:
        section = self._model(RunSettings)
        seeds = section["properties"]["seeds"]
        section["properties"]["seeds"] = {
            "anyOf": [seeds, seeds["items"]],
            "description": seeds.get("description"),
        }
        section["properties"] |= {
            "catalog": self._kind(SOURCE, {"size": {"type": "integer", "minimum": 16, "maximum": 1024}}),
            "extractor": self._extractor(),
            "defenses": _some({"anyOf": [{"const": NO_DEFENSE}, self._kind(DEFENSE, {}), *self._guards()]}),
            "threats": _some(self._kind(THREAT, self._threat_keys())),
            "attacks": _some(self._kind(ATTACK, self._attack_keys())),
        }
        # Without a catalog there is nothing else but how to run; attacks need threats, and the other way.
        section["dependentRequired"] = {
            "extractor": ["catalog"],
            "defenses": ["catalog"],
            "threats": ["catalog", "attacks"],
            "attacks": ["catalog", "threats"],
        }
        return section

    def _guards(self) -> list[Schema]:
        """Entries with a filter or a detector: a preset's name, its settings changed, or all written here."""
        names = []
        for name, _ in presets(DEFENSE.folder, self.beside):
            path = preset_path(DEFENSE.folder, name, self.beside)
            if path is not None and any(read(path).get(part) is not None for part in GUARDING):
                names.append(name)
        settings = self._model(GuardConfig)
        for key in ("knowledge", "evasion"):
            several = {**settings["properties"][key], "minItems": 1, "uniqueItems": True}
            settings["properties"][key] = {
                "description": several.pop("description", None),
                "anyOf": [several, several["items"]],
            }
        settings["description"] = "What stands in front of an extractor: a filter, a detector, or both."
        settings["properties"]["name"] = _NAME
        parts = {"filter": self._kind(FILTER, {}), "detector": self._kind(DETECTOR, {})}
        whole = {**settings, "properties": {**settings["properties"], **_or_null(parts)}}
        whole["anyOf"] = [
            {"required": [part], "properties": {part: {"not": {"type": "null"}}}} for part in GUARDING
        ]
        changed = {
            part: {"anyOf": [_partial(each) for each in kind["anyOf"]]} for part, kind in parts.items()
        }
        preset = {
            **settings,
            "properties": {**settings["properties"], **_or_null(changed), "preset": {"enum": names}},
            "anyOf": [
                {"required": ["preset"]},
                {"required": ["name"], "properties": {"name": {"enum": names}}},
            ],
        }
        return [{"enum": names}, whole, preset]

    @staticmethod
    def _attack_keys() -> Schema:
        return {
            "eps": _some(EPS),
            "norm": {"enum": ["linf", "l2"], "default": "linf"},
            "pairs": {
                "type": ["integer", "null"],
                "minimum": 1,
                "description": "Attack only the first n pairs.",
            },
            "defenses": _names("Names of the defenses this attack is run against; all if absent."),
            "threats": _names("Names of the threats this attack serves; all if absent."),
        }

    @staticmethod
    def _threat_keys() -> Schema:
        return {
            "recommenders": _names("Names of the recommenders it is judged on; all that it suits if absent."),
            "regimes": {
                **_some({"enum": ["fixed", "poisoned"]}),
                "description": "fixed: the recommender stays. poisoned: it is fitted on attacked pictures.",
            },
        }

    def _extractor(self) -> Schema:
        settings = self._model(ExtractorSettings)
        names = [name for name, _ in presets("models", self.beside)]
        settings["properties"]["preset"] = {"enum": names}
        return {"anyOf": [{"enum": names}, settings]}

    def _kind(self, kind: Kind[Any], own: Schema) -> Schema:
        """A name, or a mapping of one component's settings."""
        by_type = self._preset_names(kind)
        names = sorted({*kind.registry.names(), *(name for found in by_type.values() for name in found)})
        branches: list[Schema] = [{"enum": names}]
        for name in kind.registry.names():
            branches.append(self._entry(kind, kind.registry, name, [*by_type.get(name, []), name], own))
        return {"anyOf": branches}

    def _entry(
        self, kind: Kind[Any], registry: Registry[Any], name: str, names: list[str], own: Schema
    ) -> Schema:
        component: type[Component] = registry.get(name)
        settings = self._model(component.config_class)
        steps = settings["properties"].get("steps")
        if steps is not None and "eps" in own:
            settings["properties"]["steps"] = _some(steps)
        settings.pop("required", None)  # a preset may fill it in
        naming = {kind.key: {"const": name}, "preset": {"enum": sorted(set(names))}, "name": _NAME}
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

    def _preset_names(self, kind: Kind[Any]) -> dict[str, list[str]]:
        return self._types(kind.folder, kind.key)

    def _types(self, folder: str, key: str) -> dict[str, list[str]]:
        """Component -> names of its presets, which say under ``key`` what they set up."""
        found: dict[str, list[str]] = {}
        for name, _ in presets(folder, self.beside):
            path = preset_path(folder, name, self.beside)
            node = read(path).get(key) if path is not None else None
            if node is not None:
                found.setdefault(str(node.value), []).append(name)
        return found

    def _model(self, model: type[BaseModel]) -> Schema:
        """The schema of a settings class; what it refers to goes to the shared definitions."""
        found = model.model_json_schema(ref_template="#/$defs/{model}", mode="validation")
        self.definitions |= found.pop("$defs", {})
        found.setdefault("properties", {})
        found.pop("title", None)
        found["additionalProperties"] = False
        for key, value in found["properties"].items():
            if value.get("type") in ("integer", "number"):
                found["properties"][key] = {
                    "anyOf": [value, _VARIABLE],
                    "description": value.get("description"),
                }
        return _without_empty(found)


def _or_null(parts: dict[str, Schema]) -> Schema:
    return {name: {"anyOf": [part, {"type": "null"}]} for name, part in parts.items()}


def _partial(entry: Schema) -> Schema:
    """Settings of a part that a preset names already."""
    return {key: value for key, value in entry.items() if key != "anyOf"}


def _searched(one: Schema) -> Schema:
    """A setting, or the list of what is tried for it."""
    if one.get("type") == "array":
        return one
    return {"description": one.get("description"), "anyOf": [one, {"type": "array", "minItems": 1}]}


def _some(one: Schema) -> Schema:
    """One, or a list of at least one."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _without_empty(value: Any) -> Any:
    """A schema less its null descriptions."""
    if isinstance(value, dict):
        return {k: _without_empty(v) for k, v in value.items() if not (k == "description" and v is None)}
    return [_without_empty(v) for v in value] if isinstance(value, list) else value


def _names(description: str) -> Schema:
    names = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]
    return {"anyOf": names, "description": description}
