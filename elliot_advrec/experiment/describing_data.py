"""The stages of a recipe's data: its catalog, and its interactions fold by fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elliot_advrec.data.sources import SOURCES
from elliot_advrec.experiment.inputs import interaction_settings
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """What everything else is made from.

    Attributes:
        catalog: items with pictures; None where each fold has a catalog of its own items.
        folds: the interactions: for each test fold its validation folds.
        features: key of a fold's interactions -> features of its items, where the recipe brings them.
    """

    catalog: Stage | None
    folds: tuple[tuple[Stage, ...], ...]
    features: Mapping[str, Stage]


def data_stages(recipe: Recipe) -> Data:
    """The catalog of a recipe, and its interactions.

    Raises:
        UserError: the catalog's files cannot be found.
    """
    spec, adversarial = recipe.adversarial.catalog, recipe.adversarial
    settings, whole = interaction_settings(recipe), recipe.experiment.folds
    catalog: Stage | None = None
    if spec is not None:
        source = SOURCES.get(spec.kind)(spec.config, recipe.folder)
        catalog = Stage(
            kind="catalog",
            label=f"catalog {spec.name}",
            settings={
                "source": spec.kind,
                "config": spec.config.model_dump(mode="json"),
                "fingerprint": source.fingerprint(),
                "size": adversarial.size,
                "strict": adversarial.strict,
            },
            parts={
                "source": source,
                "size": adversarial.size,
                "strict": adversarial.strict,
                "recipe": recipe,
            },
        )
    folds: dict[int, list[Stage]] = {}
    features: dict[str, Stage] = {}
    given = recipe.experiment.data_config
    path = None if given is None else given.features
    for test, validation in whole:
        # A recipe without folds has none in its keys and labels.
        one = {} if len(whole) == 1 else {"fold": [test, validation]}
        suffix = fold_suffix(recipe, test, validation)
        parts: dict[str, Any] = {
            "source": None if catalog is None else catalog.parts["source"],
            "experiment": recipe.experiment,
            "simulation": adversarial.simulation,
            "strict": adversarial.strict,
            "fold": (test, validation),
            "suffix": suffix,
        }
        items = catalog or Stage("catalog", f"items{suffix}", {"items of": settings, **one}, {}, {}, parts)
        found = Stage(
            "interactions", f"interactions{suffix}", {**settings, **one}, {"catalog": items}, {}, parts
        )
        folds.setdefault(test, []).append(found)
        if path is not None:
            described = {"features": settings["features"]}
            features[found.key] = Stage(
                "embeddings", f"features{suffix}", described, {"catalog": items}, {}, {"features": path}
            )
    return Data(catalog, tuple(tuple(fold) for fold in folds.values()), features)


def fold_suffix(recipe: Recipe, test: int, validation: int) -> str:
    """What labels say of a fold: nothing where there is one, ``, fold 2`` or ``, fold 2.1`` where several."""
    whole = recipe.experiment.folds
    several = [len({fold[place] for fold in whole}) > 1 for place in (0, 1)]
    numbers = [str(test + 1)] if not several[1] else [str(test + 1), str(validation + 1)]
    return f", fold {'.'.join(numbers)}" if any(several) else ""
