"""The stages of extractors, with all that decides them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elliot_advrec.defenses import DEFENSES
from elliot_advrec.errors import UserError
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.sums import NAMED
from elliot_advrec.extractors.backbone import check_backbone
from elliot_advrec.extractors.frozen import Precision
from elliot_advrec.recipe import Recipe, Spec

GRID = 900  # places of a training at which its adversary's cost is looked at


def extractor_stage(
    recipe: Recipe,
    device: str,
    seed: int,
    catalog: Stage,
    defense: Spec | None,
    clean: Stage | None,
    adversary: Precision = "float32",
) -> Stage:
    """The training of one extractor, clean or under a defense whose adversary has a precision of its own.

    Raises:
        UserError: an unknown backbone, or first weights that are a file that is not there.
    """
    settings = recipe.adversarial.extractor
    check_backbone(settings.backbone, f"{recipe.path}: experiment.adversarial.extractor.backbone")
    described: dict[str, Any] = {
        "extractor": settings.model_dump(mode="json"),
        "seed": seed,
        "device": device,
    }
    weights = Path(settings.weights)
    if weights.is_file():  # by content: a file of the same name may be replaced
        described["weights"] = NAMED.of(weights)
    elif weights.suffix:  # words such as imagenet have none
        raise UserError(
            f"there is no file {weights}",
            where=f"{recipe.path}: experiment.adversarial.extractor.weights",
            remedy="write none, imagenet or the path of a state dict",
        )
    parts: dict[str, Any] = {
        "settings": settings,
        "seed": seed,
        "defense": None,
        "training": settings.training,
        "adversary": adversary,
    }
    needs = {"catalog": catalog}
    label = f"extractor, seed {seed}"
    per_picture = 0.0
    if defense is not None:
        config = defense.config
        described |= {"defense": defense.kind, "config": config.model_dump(mode="json")}
        described["adversary"] = adversary
        built = DEFENSES.get(defense.kind)(config)
        parts |= {"defense": built, "training": built.training(settings.training)}
        label = f"extractor with {defense.name}, seed {seed}"
        if built.start == "clean" and clean is not None:
            needs["clean"] = clean
        # A curriculum changes within an epoch too: sum over a fine grid of the training.
        grid = [(place + 0.5) / GRID for place in range(GRID)]
        average = sum(map(built.gradient_evaluations, grid)) / GRID
        per_picture = average * parts["training"].epochs
    return Stage("extractor", label, described, needs, {}, parts, gradients_per_picture=per_picture)
