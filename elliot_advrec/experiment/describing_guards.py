"""The stages of what stands in front of extractors, and of attackers who know it or not."""

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
from elliot_advrec.recipe.guard_rules import draws, learns
from elliot_advrec.recipe.guards import FILES


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


def named(attack: str, knowledge: str) -> str:
    """What an attack is called in the rows of a defense that stands in front of an extractor."""
    return f"{attack} ({knowledge})"


def probing(probe: Stage, spec: GuardSpec) -> Stage:
    """A probe by an attacker who knows the filter."""
    count = _draws(spec)
    return replace(
        probe,
        settings={**probe.settings, "draws": count},
        parts={**probe.parts, "draws": count},
        gradients=probe.gradients * count,
    )


def _draws(spec: GuardSpec) -> int:
    """Draws that a gradient is averaged over; one where the filter does not draw."""
    return spec.config.draws if draws(spec.filter) else 1


def knowing(attacked: Stage, spec: GuardSpec, guard: Stage, knowledge: str) -> Stage:
    """An attack through a defense, by an attacker of this knowledge.

    Args:
        attacked: the attack, with ``embeddings`` and recommender as they are behind the defense.
    """
    config, attacked = spec.config, _unfooled(attacked, spec)
    # An attack on values shows the shop one picture at a time, and each of them is drawn for once.
    count = _draws(spec) if attacked.parts["attack"].needs == "gradient" else 1
    weights = list(config.evasion) if knowledge == "evading" else []
    how = {
        "knowledge": knowledge,
        "draws": count,
        "evasion": weights,
        "refuse": config.refuse,
        "tries": config.tries,
    }
    return replace(
        attacked,
        label=_label(attacked, spec, knowledge),
        settings={**attacked.settings, "guard": how},
        needs={**attacked.needs, "guard": guard},
        tags=_tags(attacked, spec, knowledge),
        parts={**attacked.parts, "guard": how, "named": attacked.tags["attack"]},
        gradients_per_picture=attacked.gradients_per_picture * count * max(1, len(weights)),
    )


def _unfooled(attacked: Stage, spec: GuardSpec) -> Stage:
    """The attack as it is run through a filter that draws: it keeps its last picture.

    The best of noisy values is a lucky draw, which the shop will not repeat.
    """
    attack = attacked.parts["attack"]
    if not draws(spec.filter) or getattr(attack.config, "keep", None) != "best":
        return attacked
    config = attack.config.model_copy(update={"keep": "last"})
    return replace(
        attacked,
        settings={**attacked.settings, "config": config.model_dump(mode="json")},
        parts={**attacked.parts, "attack": type(attack)(config)},
    )


def taken_over(
    undefended: Stage,
    spec: GuardSpec,
    guard: Stage,
    embeddings: Stage,
    recommender: Stage | None,
    knowledge: str = "oblivious",
) -> Stage:
    """Pictures that were attacked without the defense, handed in where it stands.

    Args:
        undefended: the attack on the extractor alone, or on the recommender over it.
        knowledge: that its rows are put down to; it decides nothing.
        embeddings: of the filtered catalog.
        recommender: behind the defense; None where the threat aims at the extractor.
    """
    config = spec.config
    how = {"refuse": config.refuse, "tries": config.tries}
    aimed = {} if recommender is None else {"recommender": recommender}
    kept = {role: stage for role, stage in undefended.needs.items() if role in ("extractor", "interactions")}
    return replace(
        undefended,
        label=_label(undefended, spec, knowledge),
        settings={"guard": how},
        needs={**kept, **aimed, "embeddings": embeddings, "guard": guard, "attack": undefended},
        tags=_tags(undefended, spec, knowledge),
        parts={**undefended.parts, "guard": how, "named": undefended.tags["attack"]},
        gradients_per_picture=0.0,
    )


def _label(attacked: Stage, spec: GuardSpec, knowledge: str) -> str:
    what = attacked.label.partition(", seed ")[0]
    defense = attacked.tags["defense"]
    if what.endswith(defense):
        what = what.removesuffix(defense) + spec.name
    return f"{what}, {knowledge}, seed {attacked.tags['seed']}"


def _tags(attacked: Stage, spec: GuardSpec, knowledge: str) -> dict[str, Any]:
    attack = named(attacked.tags["attack"], knowledge)
    return {**attacked.tags, "defense": spec.name, "attack": attack, "knowledge": knowledge}
