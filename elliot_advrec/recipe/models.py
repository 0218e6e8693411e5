"""``experiment.models``: recommenders, what is searched for them, and lists that were made elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.checked import build, mapping, text
from elliot_advrec.recipe.elliot import Evaluation, Meta
from elliot_advrec.recipe.merge import merge, settle
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.shipped import preset_path, presets
from elliot_advrec.recipe.spec import GIVEN, ModelSpec
from elliot_advrec.recipe.text import read
from elliot_advrec.recipe.unsupported import supported_meta
from elliot_advrec.recipe.variables import expand
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.recommenders.recommendation_folder import (
    ProxyRecommenderConfig,
    RecommendationFolderConfig,
    folder_models,
)
from elliot_advrec.recommenders.tuning.search import evaluations
from elliot_advrec.recommenders.tuning.space import read_space

EXTERNAL = "external."
FOLDER = "RecommendationFolder"
"""Elliot's model that stands for a recommender a file."""


def read_models(node: Node, folder: Path, evaluation: Evaluation) -> tuple[ModelSpec, ...]:
    """The models of the section ``experiment``, in order.

    Args:
        node: the section.
        folder: the recipe's.
        evaluation: what is measured, which candidates and epochs are chosen by.

    Raises:
        UserError: none, an unknown one, one twice, or settings that it does not take.
    """
    section = node.get("models")
    if section is None or not section.value:
        raise UserError(
            "'models' is missing or empty",
            where=node.where("models"),
            remedy=f"name at least one; known: {', '.join(EXTERNAL + name for name in RECOMMENDERS.names())}",
        )
    found: dict[str, ModelSpec] = {}
    for key, settings in settle(mapping(section), ()).items():  # an overlay adds no models
        if settings.value is None:  # "MostPop:" and nothing more
            settings = Node({}, settings.origin)
        for model in _models(key, mapping(settings), folder):
            if model.name in found:
                raise UserError(
                    f"the model '{model.name}' is here twice, as {found[model.name].key} and {key}",
                    where=section.where(key),
                    remedy="keep one",
                )
            found[model.name] = _selectable(model, evaluation)
    return tuple(found.values())


def _models(key: str, settings: Node, folder: Path) -> list[ModelSpec]:
    given = settings.get("meta") or Node({}, settings.origin)
    meta = build(Meta, supported_meta(given), folder)
    where, own = str(settings.origin), settings.without("meta")
    if key == FOLDER:
        config = build(RecommendationFolderConfig, own, folder)
        written = config.model_dump(mode="json")
        try:
            proxies = folder_models(config)
        except UserError as error:
            raise error.at(where) from None
        return [
            ModelSpec(proxy.label, "ProxyRecommender", proxy, where, key, meta, None, written)
            for proxy in proxies
        ]
    name = key.removeprefix(EXTERNAL)
    if name in GIVEN:
        proxy = build(ProxyRecommenderConfig, own, folder)
        if not proxy.path.is_file():
            beside = [path.name for path in proxy.path.parent.glob("*")]
            raise UserError(
                f"there is no file {proxy.path}",
                where=settings.where("path"),
                remedy=nearest(proxy.path.name, beside),
            )
        return [ModelSpec(proxy.label, name, proxy, where, key, meta)]
    return [_searched(ModelSpec(name, name, Config(), where, key, meta), own, folder)]


def _searched(model: ModelSpec, own: Node, folder: Path) -> ModelSpec:
    """The model with its settings; lists of values are a search, as in Elliot."""
    component = RECOMMENDERS.get(model.kind, model.where)
    kind = component.config_class
    own = _filled(own, model.kind, folder)

    def made(plain: dict[str, Any]) -> Config:
        # A key keeps the place it was written at, whichever candidate stands there.
        nodes = {key: _lifted(value, own.value[key]) for key, value in plain.items()}
        return build(kind, Node(nodes, own.origin), folder)

    space = read_space(own.plain(), kind, model.where, build=made)
    evaluations(space, model.meta.hyper_opt_alg, model.meta.hyper_max_evals, f"{model.where}.meta")
    if not space.searched:
        return replace(model, config=build(kind, own, folder), given=own.plain())
    if model.meta.optimize_internal_loss and not component.trained:
        raise UserError(
            f"{model.kind} has no training loss to choose by",
            where=f"{model.where}.meta.optimize_internal_loss",
            remedy="take it out",
        )
    first = space.config({key: each.probes()[0] for key, each in space.searched.items()})
    written = {**first.model_dump(mode="json"), **{key: own.value[key].plain() for key in space.searched}}
    return replace(model, config=first, space=space, written=written, given=own.plain())


def _filled(own: Node, kind: str, folder: Path) -> Node:
    """Settings with those of their preset below them, where they name one."""
    named = own.get("preset")
    if named is None:
        return own
    name = text(named, "'preset'")
    fitting = []
    for known, _ in presets("recommenders", folder):
        path = preset_path("recommenders", known, folder)
        node = None if path is None else read(path)
        type_node = None if node is None else node.get("type")
        if node is None or type_node is None or type_node.value != kind:
            continue
        if known == name:
            return expand(merge(node.without("type"), own.without("preset")))
        fitting.append(known)
    raise UserError(f"unknown {kind} preset '{name}'", where=str(named.origin), remedy=nearest(name, fitting))


def _lifted(value: Any, at: Node) -> Node:
    """A plain value as nodes, all of them at the place of ``at``; ``at`` itself where it is that value."""
    if value == at.plain():
        return at
    if isinstance(value, dict):
        return Node({key: _lifted(child, Node(None, at.origin)) for key, child in value.items()}, at.origin)
    if isinstance(value, list | tuple):
        return Node([_lifted(child, Node(None, at.origin)) for child in value], at.origin)
    return Node(value, at.origin)


def _selectable(model: ModelSpec, evaluation: Evaluation) -> ModelSpec:
    try:
        model.selection(evaluation).key()
    except UserError as error:
        raise error.at(f"{model.where}.meta.validation_metric") from None
    return model
