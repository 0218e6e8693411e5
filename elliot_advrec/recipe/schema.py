"""The JSON Schema of recipes, for editors that complete and check YAML as it is written."""

from __future__ import annotations

from pathlib import Path

from elliot_advrec.component import Config
from elliot_advrec.data.splitting.rules import RULES
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.metrics import METRICS
from elliot_advrec.recipe.defenses import NO_DEFENSE
from elliot_advrec.recipe.elliot import Experiment, Meta
from elliot_advrec.recipe.kinds import ATTACK, DEFENSE, SOURCE, THREAT
from elliot_advrec.recipe.models import EXTERNAL, FOLDER
from elliot_advrec.recipe.run import RunSettings
from elliot_advrec.recipe.schema_entries import Entries
from elliot_advrec.recipe.schema_shapes import EPS, OFF, Schema, names_of, searched, some
from elliot_advrec.recipe.shipped import presets
from elliot_advrec.recipe.spec import GIVEN
from elliot_advrec.recipe.unsupported import UNSUPPORTED
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.recommenders.recommendation_folder import RecommendationFolderConfig


def schema(beside: Path | None = None) -> Schema:
    """JSON Schema (draft 2020-12) of recipes, with every registered component and preset.

    Args:
        beside: a recipe's folder; presets in its ``configs/`` are known as well.
    """
    return _Writer(beside).recipe()


class _Writer:
    """The sections of a recipe, over entries that share their definitions."""

    def __init__(self, beside: Path | None) -> None:
        self.beside, self.entries = beside, Entries(beside)

    def recipe(self) -> Schema:
        experiment = self.entries.model(Experiment)
        experiment["properties"] |= {key: {"enum": list(off)} for key, off in UNSUPPORTED[()].items()}
        experiment["properties"] |= {"models": self._models(), "adversarial": self._adversarial()}
        filters = experiment["properties"]["prefiltering"]
        experiment["properties"]["prefiltering"] = {
            "description": filters.get("description"),
            "anyOf": [filters, filters["items"], OFF],
        }
        experiment["properties"]["negative_sampling"]["anyOf"].append(OFF)
        experiment["required"] = ["dataset", "models"]
        self._narrow()
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "elliot_advrec recipe",
            "type": "object",
            "properties": {"experiment": experiment},
            "required": ["experiment"],
            "additionalProperties": False,
            "$defs": self.entries.definitions,
        }

    def _narrow(self) -> None:
        """Names and harmless keys that the settings check in code."""
        metrics = {"enum": sorted(METRICS)}
        evaluation = self.entries.definitions["Evaluation"]["properties"]
        evaluation["simple_metrics"] |= {"items": metrics}
        for key in ("simple_metrics", "cutoffs"):
            whole = evaluation[key]
            evaluation[key] = {"description": whole.get("description"), "anyOf": [whole, whole["items"]]}
        self.entries.definitions["Strategy"]["properties"]["strategy"]["enum"] = sorted(RULES)
        for section, name in ((("evaluation",), "Evaluation"), (("data_config",), "DataConfig")):
            harmless = {key: {"enum": list(off)} for key, off in UNSUPPORTED[section].items()}
            self.entries.definitions[name]["properties"] |= harmless

    def _models(self) -> Schema:
        properties: Schema = {}
        meta = self.entries.model(Meta)
        meta["additionalProperties"] = True  # Elliot's other keys of meta are refused by name when they act
        by_type = self.entries.types("recommenders", "type")
        for name in RECOMMENDERS.names():
            component = RECOMMENDERS.get(name)
            settings = self.entries.model(component.config_class)
            # A list of values, or a distribution with its arguments, is a search.
            settings["properties"] = {key: searched(one) for key, one in settings["properties"].items()}
            settings["properties"]["meta"] = meta
            if named := by_type.get(name):
                settings["properties"]["preset"] = {"enum": named}
            described = {"description": component.summary(), "anyOf": [settings, {"type": "null"}]}
            properties |= {EXTERNAL + name: described, name: described}
        given: dict[str, type[Config]] = {name: component.config_class for name, component in GIVEN.items()}
        given[FOLDER] = RecommendationFolderConfig
        for name, config in given.items():
            settings = self.entries.model(config)
            settings["properties"]["meta"] = meta
            properties[name] = settings
        return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}

    def _adversarial(self) -> Schema:
        section = self.entries.model(RunSettings)
        seeds = section["properties"]["seeds"]
        section["properties"]["seeds"] = {
            "anyOf": [seeds, seeds["items"]],
            "description": seeds.get("description"),
        }
        section["properties"] |= {
            "catalog": self.entries.kind(
                SOURCE, {"size": {"type": "integer", "minimum": 16, "maximum": 1024}}
            ),
            "extractor": self._extractor(),
            "defenses": some(
                {"anyOf": [{"const": NO_DEFENSE}, self.entries.kind(DEFENSE, {}), *self.entries.guards()]}
            ),
            "threats": some(self.entries.kind(THREAT, self._threat_keys())),
            "attacks": some(self.entries.kind(ATTACK, self._attack_keys())),
        }
        # Without a catalog there is nothing else but how to run; attacks need threats, and the other way.
        section["dependentRequired"] = {
            "extractor": ["catalog"],
            "defenses": ["catalog"],
            "threats": ["catalog", "attacks"],
            "attacks": ["catalog", "threats"],
        }
        return section

    @staticmethod
    def _attack_keys() -> Schema:
        return {
            "eps": some(EPS),
            "norm": {"enum": ["linf", "l2"], "default": "linf"},
            "pairs": {
                "type": ["integer", "null"],
                "minimum": 1,
                "description": "Attack only the first n pairs.",
            },
            "defenses": names_of("Names of the defenses this attack is run against; all if absent."),
            "threats": names_of("Names of the threats this attack serves; all if absent."),
        }

    @staticmethod
    def _threat_keys() -> Schema:
        return {
            "recommenders": names_of(
                "Names of the recommenders it is judged on; all that it suits if absent."
            ),
            "regimes": {
                **some({"enum": ["fixed", "poisoned"]}),
                "description": "fixed: the recommender stays. poisoned: it is fitted on attacked pictures.",
            },
        }

    def _extractor(self) -> Schema:
        settings = self.entries.model(ExtractorSettings)
        names = [name for name, _ in presets("models", self.beside)]
        settings["properties"]["preset"] = {"enum": names}
        return {"anyOf": [{"enum": names}, settings]}
