"""The stages of what stands in front of extractors, and of recommenders behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from elliot_advrec.detectors import Detector
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.sums import NAMED
from elliot_advrec.filters import FILTERS
from elliot_advrec.filters.training import FilterTrainingConfig
from elliot_advrec.recipe import GuardSpec, Recipe, Spec
from elliot_advrec.recipe.guard_rules import learns
from elliot_advrec.recipe.guard_spec import FILES


def guard_stage(
    recipe: Recipe, device: str, seed: int, spec: GuardSpec, extractor: Stage, recommender: Stage | None
) -> Stage:
    """A filter, a detector and its threshold; where they learn, their training is a stage before it.

    Args:
        device: device type; only what is trained depends on it.
        extractor: what it stands before.
        recommender: whose BPR loss the filter minimises too; None: no one's.
    """
    needs = {"catalog": extractor.needs["catalog"], "extractor": extractor}
    if spec.filter is not None and learns(spec.filter):
        needs["filter"] = _training(device, seed, spec, needs, recommender)
    return Stage(
        "guard",
        f"{spec.name} over {spec.config.over}, seed {seed}",
        {
            "filter": None if spec.filter is None else _described(spec.filter),
            "detector": None if spec.detector is None else _described(spec.detector),
            "seed": seed,
        },
        needs,
        {"defense": spec.name, "seed": seed},
        {"spec": spec, "seed": seed, "recipe": recipe.title},
    )


def _training(
    device: str, seed: int, spec: GuardSpec, needs: Mapping[str, Stage], recommender: Stage | None
) -> Stage:
    """The training of a filter, and of a detector beside it where that learns too."""
    assert spec.filter is not None
    training, detector = spec.config.filter_training, spec.detector
    beside = detector if learns(detector) else None
    filter: Any = FILTERS.get(spec.filter.kind)
    settings = {
        "filter": _described(spec.filter, filter.inference_only),
        "detector": None if beside is None else _described(beside, Detector.inference_only),
        "training": training.model_dump(mode="json"),
        "seed": seed,
        "device": device,
    }
    return Stage(
        "filter",
        f"filter of {spec.name} over {spec.config.over}, seed {seed}",
        settings,
        {**needs, **({} if recommender is None else {"recommender": recommender})},
        {"defense": spec.name, "seed": seed},
        {"filter": spec.filter, "detector": beside, "training": training, "seed": seed,
         "where": spec.where},
        gradients_per_picture=_gradients(training, beside is not None),
    )  # fmt: skip


def _described(spec: Spec, exclude: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Kind and settings; of a file what it holds, not its name: it may be replaced, or moved."""
    settings = spec.config.model_dump(mode="json", exclude=set(exclude))
    for key in FILES:
        path = Path(settings.get(key, ""))
        if path.suffix and path.is_file():
            settings[key] = NAMED.of(path)
    return {"type": spec.kind, "config": settings}


def _gradients(training: FilterTrainingConfig, detector: bool) -> float:
    """Gradients of its adversary that a training picture costs on average."""
    total, price = 0.0, {"fgsm": 1, "pgd": training.pgd_steps}
    for stage in training.parts(detector):
        kinds = len(stage.attacks) + ("detector" not in stage.learns)  # there are clean ones beside them
        total += stage.epochs * sum(price[kind] for kind in stage.attacks) / kinds
    return total


def shielded(fitted: Stage, embeddings: Stage, tags: Mapping[str, Any]) -> Stage:
    """A recommender as it was fitted, over the embeddings of filtered pictures.

    One that sees no embeddings of this extractor is the same recommender, under the defense's name.
    """
    tags = {**fitted.tags, **tags}
    if "embeddings" not in fitted.needs:
        return replace(fitted, tags=tags)
    return replace(
        fitted,
        label=f"{tags['recommender']} behind {tags['defense']}, seed {tags['seed']}{fitted.parts['suffix']}",
        needs={**fitted.needs, "embeddings": embeddings, "fitted": fitted},
        tags=tags,
    )
