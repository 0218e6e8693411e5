"""A whole recipe, from its file to what the experiment runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.adversarial import KEYS, Adversarial, read_adversarial
from elliot_advrec.recipe.checked import build, mapping
from elliot_advrec.recipe.elliot import Experiment, Meta
from elliot_advrec.recipe.merge import merge, override
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.shipped import preset_path, presets, recipe_path
from elliot_advrec.recipe.spec import ModelSpec
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.unsupported import UNSUPPORTED, supported, supported_meta
from elliot_advrec.recipe.variables import expand
from elliot_advrec.recommenders import RECOMMENDERS

EXTERNAL = "external."


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    Attributes:
        path: its file.
        experiment: Elliot's keys.
        adversarial: ours.
        models: the recommenders of ``experiment.models``, in order.
        overlay: name of the overlay that was laid over it, if any.
    """

    path: Path
    experiment: Experiment
    adversarial: Adversarial
    models: tuple[ModelSpec, ...]
    overlay: str | None = None

    @property
    def name(self) -> str:
        """``experiment.dataset``."""
        return self.experiment.dataset

    @property
    def folder(self) -> Path:
        """The folder relative paths are resolved from."""
        return self.path.parent

    def resolved(self) -> dict[str, Any]:
        """The recipe with presets expanded and defaults filled in: JSON-able, and a recipe itself."""
        experiment = self.experiment.model_dump(mode="json", exclude_none=True)
        if self.experiment.data_config is not None and self.experiment.data_config.fixed() is not None:
            del experiment["splitting"]
        models = {model.key: model.resolved() for model in self.models}
        return {"experiment": {**experiment, "models": models, "adversarial": self.adversarial.resolved()}}


def load(path: Path, overrides: Sequence[str] = (), overlay: str | None = None) -> Recipe:
    """Read, complete and check a recipe.

    Args:
        path: the YAML file, or the bare name of a shipped recipe (``quickstart``); relative paths in it are
            taken from its folder.
        overrides: ``key=value`` texts of ``--set``, in order, laid over all else.
        overlay: name of a preset of ``configs/overlays`` to lay over the recipe, e.g. ``small``.

    Raises:
        UserError: the first thing that is wrong, with file, line, key and remedy.
    """
    path = _shipped(Path(path))
    tree = read(path)
    path = path.absolute()
    if overlay is not None:
        tree = merge(tree, _overlay(overlay, path.parent))
    for assignment in overrides:
        tree = override(tree, assignment, KEYS)
    tree = expand(tree)
    mapping(tree, ("experiment",))
    node = tree.get("experiment")
    if node is None:
        raise UserError("'experiment' is missing", where=str(path), remedy="put all keys below 'experiment:'")
    return _recipe(path, mapping(node), overlay)


def _shipped(path: Path) -> Path:
    """A bare name that is no file here as the shipped recipe of that name, where there is one."""
    bare = path.name == str(path) and not path.suffix
    return (recipe_path(path.name) or path) if bare and not path.exists() else path


def _overlay(name: str, folder: Path) -> Node:
    path = preset_path("overlays", name, folder)
    if path is None:
        known = [overlay for overlay, _ in presets("overlays", folder)]
        raise UserError(f"unknown overlay '{name}'", remedy=nearest(name, known))
    return read(path, overlay=True)


def _recipe(path: Path, node: Node, overlay: str | None) -> Recipe:
    mapping(node, {*Experiment.model_fields, *UNSUPPORTED[()], "models", "adversarial"})
    elliots = _named(supported(node.without("models", "adversarial")))
    experiment = build(Experiment, elliots, path.parent)
    _consistent(experiment, elliots)
    ours = node.get("adversarial")
    if ours is None:
        raise UserError(
            "'adversarial' is missing",
            where=node.where("adversarial"),
            remedy="add catalog, threats and attacks",
        )
    models = _models(node, path.parent)
    adversarial = read_adversarial(ours, path.parent, gpu=experiment.gpu, overlaid=overlay is not None)
    return Recipe(path, experiment, adversarial, models, overlay)


def _named(node: Node, name: str | None = None) -> Node:
    """Elliot's ``{0}`` in texts as the name of the data."""
    if name is None:
        dataset = node.get("dataset")
        name = str(dataset.value) if dataset is not None else "{0}"
    value = node.value
    if isinstance(value, dict):
        value = {key: _named(child, name) for key, child in value.items()}
    elif isinstance(value, str):
        value = value.replace("{0}", name)
    return Node(value, node.origin)


def _consistent(experiment: Experiment, node: Node) -> None:
    """Rules between sections, and files that must be there."""
    longest = max(experiment.evaluation.cutoffs)
    if longest > experiment.top_k:
        raise UserError(
            f"the cutoff {longest} is longer than top_k {experiment.top_k}",
            where=node.where("evaluation", "cutoffs"),
            remedy=f"raise top_k to {longest}",
        )
    data = experiment.data_config
    if data is not None and data.fixed() is not None and node.get("splitting") is not None:
        raise UserError(
            "strategy 'fixed' brings its own split",
            where=node.where("splitting"),
            remedy="take 'splitting' out",
        )
    for key in ("dataset_path", "train_path", "validation_path", "test_path"):
        path = getattr(data, key, None)
        if path is not None and not path.is_file():
            raise UserError(
                f"there is no file {path}",
                where=node.where("data_config", key),
                remedy="relative paths are taken from the recipe's folder",
            )


def _models(node: Node, folder: Path) -> tuple[ModelSpec, ...]:
    section = node.get("models")
    if section is None or not section.value:
        raise UserError(
            "'models' is missing or empty",
            where=node.where("models"),
            remedy=f"name at least one; known: {', '.join(EXTERNAL + name for name in RECOMMENDERS.names())}",
        )
    found: dict[str, ModelSpec] = {}
    for key, settings in mapping(section).items():
        model = _model(key, settings, folder)
        if model.name in found:
            raise UserError(
                f"the model '{model.name}' is here twice, as {found[model.name].key} and {key}",
                where=section.where(key),
                remedy="keep one",
            )
        found[model.name] = model
    return tuple(found.values())


def _model(key: str, settings: Node, folder: Path) -> ModelSpec:
    name = key.removeprefix(EXTERNAL)
    component = RECOMMENDERS.get(name, str(settings.origin))
    if settings.value is None:  # "MostPop:" and nothing more
        settings = Node({}, settings.origin)
    given = mapping(settings).get("meta") or Node({}, settings.origin)
    meta = build(Meta, supported_meta(given), folder)
    config = build(component.config_class, settings.without("meta"), folder)
    return ModelSpec(name, name, config, str(settings.origin), key, meta)
