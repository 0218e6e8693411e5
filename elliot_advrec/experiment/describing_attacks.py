"""The stages of attacks, of what probes them and of their pictures, with all that decides them."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.experiment.perceiving import described as lpips_described
from elliot_advrec.experiment.probing import GRADIENTS, probed
from elliot_advrec.experiment.stages import ATTACKED, Stage
from elliot_advrec.extractors.frozen import Precision
from elliot_advrec.recipe import AttackSpec, Recipe, Spec, ThreatSpec
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats import Threat


def attack_stages(
    recipe: Recipe,
    seed: int,
    defense: Spec,
    threat: ThreatSpec,
    attack: AttackSpec,
    needs: Mapping[str, Stage],
    precision: Precision,
    recommender: Stage | None = None,
    *,
    kept: bool = False,
) -> Iterator[Stage]:
    """One attack on one defense, a stage for each budget.

    Args:
        needs: ``embeddings``, ``extractor`` and ``interactions``, of which the last is looked at by threats
            that count what is popular.
        recommender: what the threat aims at; None where it aims at the extractor.
        kept: whether all attacked pictures are kept, because a defense is to face them too.

    Raises:
        UserError: weights of LPIPS that are not there or not its own.
    """
    built = ATTACKS.get(attack.kind)(attack.config)
    goal = threat.built
    pairs = min(goal.pairs, attack.pairs or goal.pairs)
    on = defense.name if recommender is None else f"{recommender.tags['recommender']} over {defense.name}"
    named = "" if threat.kind == "item_to_item" else f"{threat.name} by "
    # Values are what a shop shows; only a copy of its network would be computed in another precision.
    precision = precision if built.needs == "gradient" else "float32"
    owner = {} if recommender is None else {"recommender": recommender.tags["recommender"]}
    lpips = lpips_described(recipe)
    for budget in attack.budgets:
        steps = getattr(attack.config, "steps", 1)
        yield Stage(
            "attack",
            f"{named}{attack.name} {steps} eps {budget.eps:g} on {on}, seed {seed}",
            {
                "threat": threat.kind,
                "goal": threat.config.model_dump(mode="json", exclude=set(goal.counted)),
                "pairs": pairs,
                "attack": attack.kind,
                "config": attack.config.model_dump(mode="json"),
                "norm": budget.norm,
                "eps": budget.eps,
                "seed": seed,
                "precision": precision,
                "batch_size": recipe.adversarial.batch_size,
                # Only where it is measured: what was attacked without it stays as good as it was.
                **({} if lpips is None else {"lpips": lpips}),
                **({"kept": True} if kept else {}),
            },
            _wanted(goal, needs, recommender),
            {
                "defense": defense.name,
                "threat": threat.name,
                "attack": attack.name,
                "eps": budget.eps,
                "norm": budget.norm,
                "steps": steps,
                "seed": seed,
                **owner,
            },
            {
                "attack": built,
                "threat": goal,
                "where": threat.where,
                "budget": budget,
                "pairs": pairs,
                "seed": stream_seed("pairs", threat.kind, seed),
                "batch_size": recipe.adversarial.batch_size,
                "lpips": None if lpips is None else recipe.adversarial.lpips,
            },
            gradients_per_picture=float(built.gradient_evaluations()),
            split=ATTACKED,
        )


def probe_stage(
    recipe: Recipe,
    seed: int,
    defense: Spec,
    threat: ThreatSpec,
    needs: Mapping[str, Stage],
    precision: Precision,
    recommender: Stage | None = None,
) -> Stage:
    """What shows whether a threat's gradients on one defense can be believed; arguments as of attacks."""
    goal = threat.built
    on = defense.name if recommender is None else f"{recommender.tags['recommender']} over {defense.name}"
    return Stage(
        "probe",
        f"probing {threat.name} on {on}, seed {seed}",
        {
            "threat": threat.kind,
            "goal": threat.config.model_dump(mode="json", exclude=set(goal.counted)),
            "seed": seed,
            "precision": precision,
            "pairs": probed(goal),
        },
        _wanted(goal, needs, recommender),
        {"defense": defense.name, "threat": threat.name, "seed": seed},
        {"threat": goal, "where": threat.where, "seed": stream_seed("pairs", threat.kind, seed)},
        probed(goal) * GRADIENTS if goal.white_box else 0,
    )


def _wanted(goal: Threat, needs: Mapping[str, Stage], recommender: Stage | None) -> dict[str, Stage]:
    """The stages that a threat's scene is made of."""
    wanted = {name: needs[name] for name in ("embeddings", "extractor", "guard") if name in needs}
    if recommender is not None:
        wanted["recommender"] = recommender
    elif goal.on_interactions:
        wanted["interactions"] = needs["interactions"]
    return wanted


def exhibits_stage(
    seed: int,
    defense: Spec,
    embeddings: Stage,
    catalog: Stage,
    attacks: list[Stage],
    besides: Mapping[str, Stage] = types.MappingProxyType({}),
) -> Stage:
    """The pictures of one defense, from all that it was attacked with.

    Args:
        besides: what stands in front of the extractor (``guard``) and the embeddings of pictures that do not
            pass it (``unguarded``), where something does.
    """
    return Stage(
        "exhibits",
        f"pictures of {defense.name}, seed {seed}",
        {"seed": seed, "cells": [dict(attack.tags) for attack in attacks]},
        {
            "embeddings": embeddings,
            "catalog": catalog,
            **besides,
            **{f"attack{number:03d}": attack for number, attack in enumerate(attacks)},
        },
        {"defense": defense.name, "seed": seed},
        {"seed": seed, "cells": attacks},
    )
