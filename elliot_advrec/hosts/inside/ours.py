"""Our part of a recipe that Elliot runs: what our engine makes of it, and where it keeps that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from elliot_advrec.data.sources import SOURCES
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.experiment.judging import needed_length
from elliot_advrec.hosts.embedded import store_folder
from elliot_advrec.hosts.inside.ids import Ids
from elliot_advrec.hosts.inside.running import Running
from elliot_advrec.metrics.formulas import metric_named
from elliot_advrec.recipe import Recipe, load
from elliot_advrec.recipe.elliot import Meta
from elliot_advrec.recipe.models import EXTERNAL
from elliot_advrec.recipe.unsupported import UNSUPPORTED

POINTER = ("recipe", "store", "ids")
"""Keys of an ``adversarial`` section that names a recipe of ours instead of being one."""


def listing(recipe: Recipe) -> Recipe:
    """The recipe with every model's lists kept, and as long as its metrics need them.

    Raises:
        UserError: the data cannot be found.
    """
    experiment = recipe.experiment
    if any(metric_named(name).complete for name in experiment.evaluation.simple_metrics):
        length = needed_length(experiment.evaluation, experiment.top_k, _items(recipe))
        experiment = experiment.model_copy(update={"top_k": length})
    models = tuple(
        replace(model, meta=model.meta.model_copy(update={"save_recs": True})) for model in recipe.models
    )
    return replace(recipe, experiment=experiment, models=models)


def _items(recipe: Recipe) -> int:
    """How many items there are at most."""
    spec, given = recipe.adversarial.catalog, recipe.experiment.data_config
    if spec is not None:
        return len(SOURCES.get(spec.kind)(spec.config, recipe.folder).catalog())
    return len({item for path in (given.files() if given else ()) for item in read(path)["item"]})


def our_part(recipe: Running) -> tuple[Recipe, Path, Ids]:
    """Our recipe, its store, and the names in Elliot's files.

    Our part is a recipe of our own that ``adversarial`` names, or the running recipe itself.

    Raises:
        UserError: an unknown key, or a recipe that is wrong.
    """
    section = recipe.adversarial
    if isinstance(section, dict) and "recipe" in section:
        unknown = set(section) - set(POINTER)
        if unknown:
            key = sorted(unknown)[0]
            where = recipe.where(f"adversarial.{key}")
            raise UserError(f"unknown key '{key}'", where=where, remedy=nearest(key, POINTER))
        folder = recipe.path.parent
        ours = listing(load(folder / str(section["recipe"])))
        store = section.get("store")
        named = None if store is None else folder / str(store)
        ids = section.get("ids")
        return ours, _store(ours, named), Ids() if ids is None else Ids.load(folder / str(ids))
    ours = listing(load(recipe.path, [f"models={json.dumps(_models(recipe))}", *_elliots_alone(recipe)]))
    return ours, _store(ours, None), Ids()


def _models(recipe: Running) -> dict[str, Any]:
    """The recommenders of the recipe's cells; a cell's own settings count where its recommender has none."""
    models: dict[str, Any] = {}
    given = recipe.experiment.get("models") or {}
    for key, settings in given.items():
        bare = str(key).partition("_defense=")[0]
        if str(key).startswith(EXTERNAL) and (bare == key or bare not in given):
            own = dict(settings or {})
            meta = {name: v for name, v in (own.pop("meta", None) or {}).items() if name in Meta.model_fields}
            models.setdefault(bare, {**own, "meta": meta})
    return models


def _elliots_alone(recipe: Running) -> list[str]:
    """Overrides that take out what Elliot acts on itself and our engine would refuse."""
    found = []
    for section, keys in UNSUPPORTED.items():
        place: Any = recipe.experiment
        for key in section:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict):
            found += [f"{'.'.join((*section, key))}=null" for key in keys if key in place]
    return found


def _store(recipe: Recipe, named: Path | None) -> Path:
    return store_folder(recipe, Path("results") / recipe.path.stem, named)
