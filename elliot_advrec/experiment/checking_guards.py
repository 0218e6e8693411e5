"""What filters and detectors ask of files, networks and catalogs, looked at before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.detectors import DETECTORS
from elliot_advrec.detectors.base import allowed
from elliot_advrec.detectors.contrastive import Contrastive
from elliot_advrec.detectors.pair_loss import pair_ratio_loss
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.backbone import check_backbone
from elliot_advrec.extractors.saved import SavedNetwork
from elliot_advrec.filters import FILTERS
from elliot_advrec.recipe import GuardSpec, Recipe, Spec
from elliot_advrec.recipe.guard_rules import learns


def check_guard(recipe: Recipe, spec: GuardSpec) -> None:
    """Refuse what would be refused after hours of training an extractor.

    Raises:
        UserError: weights that cannot be read or are another network's, an unknown encoder, a library that
            is not installed, or stages that the extractor's backbone does not have; says where it is
            asked for.
    """
    if spec.filter is not None:
        _built(spec.filter, FILTERS.get(spec.filter.kind))
    if spec.detector is not None:
        kind = DETECTORS.get(spec.detector.kind)
        config: Any = spec.detector.config
        if issubclass(kind, Contrastive):
            check_backbone(config.encoder, spec.detector.where)
            if learns(spec.detector):
                _check_library(config.temperature, spec.detector.where)
        _built(spec.detector, kind)
    training = spec.config.filter_training
    if learns(spec.filter) and training.perceptual_weight and training.perceptual_stages:
        _check_stages(recipe.adversarial.extractor.backbone, training.perceptual_stages, spec.where)


def check_pictures(recipe: Recipe, catalog: Catalog) -> None:
    """Refuse splits with too few pictures to learn from, or to set a threshold by.

    Raises:
        UserError: says which defense asks for them.
    """
    for defense in recipe.adversarial.defenses:
        if not isinstance(defense, GuardSpec):
            continue
        if learns(defense.filter) and len(catalog.rows_of("train")) < 2:
            raise UserError(
                f"the training split has {len(catalog.rows_of('train'))} items, too few for the filter of"
                f" '{defense.name}'",
                where=defense.where,
                remedy="name a catalog with training pictures, best hundreds",
            )
        if defense.detector is not None:
            config: Any = defense.detector.config
            try:
                if config.threshold is None:
                    allowed(config.fpr, len(catalog.rows_of("validation")))
            except UserError as error:
                raise error.at(defense.detector.where) from error


def _check_library(temperature: float, where: str) -> None:
    """Refuse a detector that cannot learn here."""
    try:
        pair_ratio_loss(temperature)
    except UserError as error:
        raise error.at(where) from error


def _built(spec: Spec, kind: Any) -> None:
    """Build a component that starts from a file, as its training will."""
    weights = getattr(spec.config, getattr(kind, "weights_setting", ""), "none")
    if not issubclass(kind, SavedNetwork) or not Path(weights).suffix:
        return  # a word such as imagenet is no file; a file has a suffix
    try:
        kind(spec.config)
    except UserError as error:
        raise error.at(spec.where) from error


def _check_stages(backbone: str, stages: tuple[int, ...], where: str) -> None:
    """Refuse stages that a backbone, built without memory for its weights, does not have."""
    try:
        with torch.device("meta"):
            model = timm.create_model(backbone, pretrained=False, num_classes=0)
    except Exception:  # some cannot be built without memory; training looks again
        return
    count = len(getattr(model, "feature_info", ()))
    if not hasattr(model, "forward_intermediates"):
        raise UserError(
            f"the backbone '{backbone}' gives no feature maps",
            where=where,
            remedy="write filter_training: {perceptual_stages: []}, or take another backbone",
        )
    wrong = [stage for stage in stages if not 0 <= stage < count]
    if wrong:
        raise UserError(
            f"the backbone '{backbone}' has no stage {wrong[0]}",
            where=where,
            remedy=f"write filter_training: {{perceptual_stages: [...]}} with stages from 0 to {count - 1}",
        )
