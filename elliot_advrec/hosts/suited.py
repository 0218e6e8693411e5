"""What Elliot cannot take, and the embedded engine can: found before Elliot is begun."""

from __future__ import annotations

import os

from elliot_advrec.errors import UserError
from elliot_advrec.recipe import ModelSpec, Recipe
from elliot_advrec.recipe.models import EXTERNAL

VERSION = "0.3.1"
"""The Elliot whose doors, files and numbers this package knows."""
BY_FEATURES = ("VBPR", "AMR")
"""Elliot's own models that learn from a folder of one ``.npy`` an item and nothing more."""
BYTES = 6
"""Of memory for a user and an item, at Elliot's peak: a dense float32 and two masks."""
EMBEDDED = "run with --host embedded"


class ElliotError(UserError):
    """Elliot cannot run this recipe or this data, or stopped; the embedded engine can run it."""


def ours_of(recipe: Recipe) -> list[str]:
    """Names of the recommenders that come through our door: ``external.X``."""
    return [model.name for model in recipe.models if model.key.startswith(EXTERNAL)]


def own_of(recipe: Recipe) -> list[ModelSpec]:
    """The models that are Elliot's own: plain ``X``."""
    return [model for model in recipe.models if not model.key.startswith(EXTERNAL)]


def check_suited(recipe: Recipe) -> None:
    """Refuse a recipe that Elliot cannot be handed, by what it says alone.

    Raises:
        ElliotError: no model is ours, one of Elliot's own lacks features, or it is for another version.
    """
    version = recipe.experiment.version
    if version not in (None, VERSION):
        raise ElliotError(
            f"Elliot {VERSION} refuses recipes of version {version}",
            where=f"{recipe.path}: experiment.version",
            remedy=f"write {VERSION}, or {EMBEDDED}",
        )
    if not ours_of(recipe):
        raise ElliotError(
            "no model of the recipe is this package's, all are Elliot's own",
            where=f"{recipe.path}: experiment.models",
            remedy=f"write {EXTERNAL}{recipe.models[0].kind}, or {EMBEDDED}",
        )
    for model in own_of(recipe):
        if model.component.uses_images or model.component.uses_pixels:
            _check_features(recipe, model)


def _check_features(recipe: Recipe, model: ModelSpec) -> None:
    given = recipe.experiment.data_config
    features = None if given is None else given.features
    remedy = f"write {EXTERNAL}{model.key}"
    if features is None or model.kind not in BY_FEATURES:
        what = f"'{model.key}' is Elliot's own here, and Elliot's reads side_information that is not there"
        raise ElliotError(what, where=model.where, remedy=remedy)
    if not features.is_dir():
        raise ElliotError(
            f"'{model.key}' is Elliot's own here, and Elliot's reads a folder of one .npy an item, not"
            f" {features.name}",
            where=model.where,
            remedy=f"{remedy}, or extract features with --format elliot",
        )


def check_size(users: int, items: int, memory: int | None = None) -> None:
    """Refuse data that Elliot would not hold: it keeps dense tables of users by items.

    Args:
        users: with training rows.
        items: with training rows.
        memory: bytes of this machine; absent: looked up.

    Raises:
        ElliotError: there is less memory than that.
    """
    needed = BYTES * users * items
    there = _memory() if memory is None else memory
    if needed > there:
        raise ElliotError(
            f"Elliot holds dense tables of {users:,} users by {items:,} items, about {needed / 1e9:.0f} GB,"
            f" and this machine has {there / 1e9:.0f} GB",
            remedy=EMBEDDED,
        )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
