"""Recipes: YAML files that name the data, the recommenders, the attacks and the defenses of an experiment."""

from elliot_advrec.recipe.adversarial import Adversarial
from elliot_advrec.recipe.data_config import DataConfig
from elliot_advrec.recipe.elliot import Evaluation, Experiment
from elliot_advrec.recipe.eps import parse_eps
from elliot_advrec.recipe.guard_spec import GuardSpec
from elliot_advrec.recipe.recipe import Recipe, load
from elliot_advrec.recipe.schema import schema
from elliot_advrec.recipe.shipped import FOLDERS as PRESET_KINDS
from elliot_advrec.recipe.shipped import presets, recipe_path, recipes
from elliot_advrec.recipe.spec import AttackSpec, CatalogSpec, ModelSpec, Spec, ThreatSpec

__all__ = [
    "PRESET_KINDS",
    "Adversarial",
    "AttackSpec",
    "CatalogSpec",
    "DataConfig",
    "Evaluation",
    "Experiment",
    "GuardSpec",
    "ModelSpec",
    "Recipe",
    "Spec",
    "ThreatSpec",
    "load",
    "parse_eps",
    "presets",
    "recipe_path",
    "recipes",
    "schema",
]
