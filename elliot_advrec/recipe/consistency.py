"""Rules between the sections of a recipe, and files that must be there."""

from __future__ import annotations

from collections.abc import Sequence

from elliot_advrec.errors import UserError
from elliot_advrec.recipe.elliot import Experiment
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import ModelSpec


def seeing(experiment: Experiment, models: Sequence[ModelSpec], node: Node, *, plain: bool) -> None:
    """Rules between models, interactions and pictures.

    Args:
        experiment: Elliot's keys.
        models: the recipe's.
        node: the section ``experiment``.
        plain: whether the recipe has no catalog.

    Raises:
        UserError: neither interactions nor a catalog, models that see without pictures, or features twice.
    """
    data = experiment.data_config
    if not plain:
        if data is not None and data.features is not None:
            raise UserError(
                "features come from the extractor where there is a catalog",
                where=node.where("data_config", "side_information"),
                remedy="take 'side_information' out, or 'adversarial'",
            )
        return
    if data is None:
        raise UserError(
            "there are neither interactions nor a catalog",
            where=node.where("data_config"),
            remedy="add data_config, or an 'adversarial' section with catalog, threats and attacks",
        )
    for model in models:
        kind = model.component
        if kind.uses_categories or kind.uses_pixels or (kind.uses_images and data.features is None):
            what = "categories" if kind.uses_categories else "pictures"
            also = "" if kind.uses_categories or kind.uses_pixels else ", or data_config.side_information"
            raise UserError(
                f"{model.name} learns from {what}, and the recipe names none",
                where=model.where,
                remedy=f"add adversarial.catalog and adversarial.extractor{also}",
            )


def consistent(experiment: Experiment, node: Node) -> None:
    """Rules between Elliot's own sections.

    Raises:
        UserError: the first that is broken.
    """
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
    if data is not None and data.fixed() is not None and experiment.prefiltering:
        raise UserError(
            "strategy 'fixed' brings its own split, which is not filtered",
            where=node.where("prefiltering"),
            remedy="take 'prefiltering' out",
        )
    features = None if data is None else data.features
    if features is not None and not features.exists():
        raise UserError(
            f"there is neither a file nor a folder {features}",
            where=node.where("data_config", "side_information"),
            remedy="relative paths are taken from the recipe's folder",
        )
    negatives = experiment.negative_sampling
    for number, path in enumerate(() if negatives is None else negatives.files):
        if not path.is_file():
            raise UserError(
                f"there is no file {path}",
                where=node.where("negative_sampling", "files", number),
                remedy="relative paths are taken from the recipe's folder",
            )
    for key in ("dataset_path", "train_path", "validation_path", "test_path"):
        rows = getattr(data, key, None)
        if rows is not None and not rows.is_file():
            raise UserError(
                f"there is no file {rows}",
                where=node.where("data_config", key),
                remedy="relative paths are taken from the recipe's folder",
            )
