"""A whole recipe, from its file to what the experiment runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.adversarial import KEYS, Adversarial, read_adversarial
from elliot_advrec.recipe.checked import build, mapping
from elliot_advrec.recipe.consistency import consistent, seeing
from elliot_advrec.recipe.elliot import Experiment
from elliot_advrec.recipe.merge import merge, override
from elliot_advrec.recipe.models import read_models
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.reach import ranks, reached, served
from elliot_advrec.recipe.shipped import preset_path, presets, recipe_path
from elliot_advrec.recipe.spec import ModelSpec
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.unsupported import UNSUPPORTED, supported
from elliot_advrec.recipe.variables import expand


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    Attributes:
        path: its file.
        experiment: Elliot's keys.
        adversarial: ours; where the recipe has no such section, one without catalog and attacks.
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
    def title(self) -> str:
        """The recipe's file, and the overlay that was laid over it: what a report is called."""
        return f"{self.path.stem}, {Path(self.overlay).stem}" if self.overlay else self.path.stem

    @property
    def folder(self) -> Path:
        """The folder relative paths are resolved from."""
        return self.path.parent

    @property
    def plain(self) -> bool:
        """Whether it is a recipe of Elliot's own: the interactions' items, no pictures, no attacks."""
        return self.adversarial.catalog is None

    def resolved(self) -> dict[str, Any]:
        """The recipe with presets expanded and defaults filled in: JSON-able, and a recipe itself."""
        experiment = self.experiment.model_dump(mode="json", exclude_none=True)
        if self.experiment.data_config is not None and self.experiment.data_config.fixed() is not None:
            del experiment["splitting"]
        models = {model.key: model.resolved() for model in self.models}
        return {"experiment": {**experiment, "models": models, "adversarial": self.adversarial.resolved()}}


def load(
    path: Path, overrides: Sequence[str] = (), overlay: str | None = None, *, resolved: bool = False
) -> Recipe:
    """Read, complete and check a recipe.

    Args:
        path: the YAML file, or the bare name of a shipped recipe (``quickstart``); relative paths in it are
            taken from its folder.
        overrides: ``key=value`` texts of ``--set``, in order, laid over all else.
        overlay: name of a preset of ``configs/overlays`` to lay over the recipe, e.g. ``small``.
        resolved: the file is what ``Recipe.resolved`` gave. Which settings of a defense are a person's own
            and which an overlay's cannot be told there, so none is refused that an overlay may say.

    Raises:
        UserError: the first thing that is wrong, with file, line, key and remedy.
    """
    path = _shipped(Path(path))
    tree = _read_resolved(path) if resolved else read(path)
    path = path.absolute()
    if overlay is not None:
        tree = _with_its_own_users(tree, merge(tree, _overlay(overlay, path.parent)))
    for assignment in overrides:
        tree = override(tree, assignment, KEYS)
    tree = expand(tree)
    mapping(tree, ("experiment",))
    node = tree.get("experiment")
    if node is None:
        raise UserError("'experiment' is missing", where=str(path), remedy="put all keys below 'experiment:'")
    return _recipe(path, mapping(node), overlay)


def _with_its_own_users(before: Node, tree: Node) -> Node:
    """Without the recipe's interactions where an overlay has put another catalog in: its items are others.

    Args:
        before: the recipe.
        tree: with the overlay over it.
    """
    own, catalog = (_below(node, "experiment", "adversarial", "catalog") for node in (before, tree))
    given = _below(tree, "experiment", "data_config")
    if own is None or catalog is None or given is None or not catalog.origin.overlay or given.origin.overlay:
        return tree
    return Node({**tree.value, "experiment": tree.value["experiment"].without("data_config")}, tree.origin)


def _below(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        node = None if node is None else node.get(key)
    return node


def _shipped(path: Path) -> Path:
    """A bare name that is no file here as the shipped recipe of that name, where there is one."""
    bare = path.name == str(path) and not path.suffix
    return (recipe_path(path.name) or path) if bare and not path.exists() else path


def _read_resolved(path: Path) -> Node:
    tree = read(path)
    marked: Node | None = read(path, overlay=True)
    keys = ("experiment", "adversarial", "defenses")
    for key in keys:
        marked = None if marked is None else marked.get(key)
    if marked is None:
        return tree
    for key in reversed(keys):
        marked = Node({key: marked}, tree.origin)
    return merge(tree, marked)


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
    consistent(experiment, elliots)
    models = read_models(node, path.parent, experiment.evaluation)
    ours = node.get("adversarial")
    if ours is None or ours.value is None:
        ours = Node({}, node.origin)
    names = [model.name for model in models]
    adversarial = read_adversarial(ours, path.parent, names, gpu=experiment.gpu, overlaid=overlay is not None)
    recipe = Recipe(path, experiment, adversarial, models, overlay)
    seeing(experiment, models, node, plain=recipe.plain)
    for defense in adversarial.defenses:
        ranks(defense, models)
    for threat in adversarial.threats:
        reached(threat, models)
        served(threat, adversarial.attacks)
    return recipe


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
