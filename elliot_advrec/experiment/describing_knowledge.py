"""The stages of attackers who know what stands in front of an extractor, or do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elliot_advrec.experiment.stages import Stage
from elliot_advrec.recipe import GuardSpec
from elliot_advrec.recipe.guard_rules import draws


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
    attack = f"{attacked.tags['attack']} ({knowledge})"
    return {**attacked.tags, "defense": spec.name, "attack": attack, "knowledge": knowledge}
