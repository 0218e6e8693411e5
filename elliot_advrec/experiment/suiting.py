"""What a recipe asks of its catalog, looked at before anything is trained."""

from __future__ import annotations

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.errors import UserError
from elliot_advrec.recipe import Recipe


def check_catalog(recipe: Recipe, catalog: Catalog) -> None:
    """Refuse what recommenders and threats would refuse after hours of training an extractor.

    Args:
        recipe: whose models and threats ask for labels, and for so many items.
        catalog: looked at for its labels and its size alone; no picture is decoded.

    Raises:
        UserError: lists longer than the catalog, no categories where some are needed, or whatever a threat's
            ``fits`` refuses; says where it is asked for.
    """
    if recipe.experiment.top_k > len(catalog.ids):
        raise UserError(
            f"top_k {recipe.experiment.top_k} is larger than the number of items of the catalog, "
            f"{len(catalog.ids)}",
            where=f"{recipe.path}: experiment.top_k",
            remedy=f"write at most {len(catalog.ids)}",
        )
    labelled = np.max(catalog.category, initial=-1) >= 0
    for model in recipe.models:
        if model.component.uses_categories and not labelled:
            raise UserError(
                f"{model.name} needs the items' categories, and the catalog has none",
                where=model.where,
                remedy="name a catalog with categories, or take VBPR",
            )
    for threat in recipe.adversarial.threats:
        if threat.built.needs_categories and not labelled:
            raise UserError(
                f"the threat '{threat.name}' needs the items' categories, and the catalog has none",
                where=threat.where,
                remedy="name a catalog with categories, or take the threat out",
            )
        try:
            threat.built.fits(catalog)
        except UserError as error:
            raise error.at(threat.where) from error
