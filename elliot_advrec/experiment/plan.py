"""From a recipe to the stages that answer it, in the order they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.errors import UserError
from elliot_advrec.experiment.inputs import interaction_settings
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.files import sha256
from elliot_advrec.recipe import AttackSpec, Recipe, Spec
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats import THREATS


@dataclass(frozen=True)
class Plan:
    """The stages of one recipe.

    Attributes:
        stages: in an order in which every stage comes after all that it needs.
        cells: how many (recommender, defense, threat, attack, budget) are judged, over all seeds.
    """

    stages: tuple[Stage, ...]
    cells: int

    def unique(self) -> list[Stage]:
        """Each piece of work once, however many labels share its result."""
        return list({stage.key: stage for stage in reversed(self.stages)}.values())[::-1]

    def gradients_missing(self, store: Store) -> int:
        """Image-gradient evaluations of the stages that ``store`` does not hold, at most."""
        missing = (s for s in self.unique() if store.entry(s.kind, s.key).record() is None)
        return sum(self.gradients(stage) for stage in missing)

    def gradients(self, stage: Stage) -> int:
        """Image-gradient evaluations of one stage, at most; reads the labels to know how many train."""
        if not stage.gradients_per_picture:
            return stage.gradients
        return stage.gradients_per_picture * self._training_pictures

    @cached_property
    def _training_pictures(self) -> int:
        source = next(stage.parts["source"] for stage in self.stages if stage.kind == "catalog")
        return int((source.catalog().split == "train").sum())


def make_plan(recipe: Recipe, device: str) -> Plan:
    """The plan of ``recipe``; looks at the data's file list and labels, decodes no picture, runs nothing.

    Args:
        device: resolved device type, ``cpu`` or ``cuda``; numbers differ in the last digits between the two,
            so results of one are not taken for those of the other.

    Raises:
        UserError: the data cannot be found, or a threat has no recommender to be judged on.
    """
    stages: dict[str, Stage] = {}
    for stage in _stages(recipe, device):
        for needed in (*_ancestors(stage), stage):
            # One key may serve several labels (the same attack under two names): each keeps its own rows.
            stages.setdefault(f"{needed.key}/{sorted(needed.tags.items())}", needed)
    ordered = tuple(stages.values())
    return Plan(ordered, sum(stage.kind == "rerank" for stage in ordered))


def _ancestors(stage: Stage) -> Iterator[Stage]:
    for needed in stage.needs.values():
        yield from _ancestors(needed)
        yield needed


def _stages(recipe: Recipe, device: str) -> Iterator[Stage]:
    adversarial = recipe.adversarial
    spec = adversarial.catalog
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
        parts={"source": source, "size": adversarial.size, "strict": adversarial.strict},
    )
    yield catalog
    interactions = Stage(
        kind="interactions",
        label="interactions",
        settings=interaction_settings(recipe),
        needs={"catalog": catalog},
        parts={
            "source": source,
            "experiment": recipe.experiment,
            "simulation": adversarial.simulation,
            "strict": adversarial.strict,
        },
    )
    yield interactions
    for seed in adversarial.seeds:
        yield from _seed(recipe, device, seed, catalog, interactions)


def _seed(recipe: Recipe, device: str, seed: int, catalog: Stage, interactions: Stage) -> Iterator[Stage]:
    adversarial = recipe.adversarial
    clean = _extractor(recipe, device, seed, catalog, None, None)
    for defense in adversarial.defenses:
        extractor = (
            clean if defense.kind == "none" else _extractor(recipe, device, seed, catalog, defense, clean)
        )
        tags = {"defense": defense.name, "seed": seed}
        frozen = {"precision": adversarial.precision}
        embeddings = Stage(
            "embeddings",
            f"embeddings of {defense.name}, seed {seed}",
            frozen,
            {"extractor": extractor, "catalog": catalog},
        )
        yield embeddings
        yield Stage(
            "accuracy",
            f"accuracy of {defense.name}, seed {seed}",
            {**frozen, "seed": seed},
            {"extractor": extractor, "catalog": catalog},
            tags,
            {"seed": seed},
        )
        recommenders = list(_recommenders(recipe, seed, tags, interactions, embeddings))
        yield from recommenders
        for threat in adversarial.threats:
            for attack in adversarial.attacks:
                if attack.defenses is None or defense.name in attack.defenses:
                    yield from _cells(
                        recipe, seed, defense, threat, attack, embeddings, extractor, recommenders
                    )
        cells = [
            stage
            for threat in adversarial.threats
            for attack in adversarial.attacks
            if attack.defenses is None or defense.name in attack.defenses
            for stage in _attacks(recipe, seed, defense, threat, attack, embeddings, extractor)
        ]
        if cells:
            yield _exhibits(seed, defense, embeddings, catalog, extractor, cells)


def _extractor(
    recipe: Recipe, device: str, seed: int, catalog: Stage, defense: Spec | None, clean: Stage | None
) -> Stage:
    settings = recipe.adversarial.extractor
    described: dict[str, Any] = {
        "extractor": settings.model_dump(mode="json"),
        "seed": seed,
        "device": device,
    }
    weights = Path(settings.weights)
    if weights.is_file():  # by content: a file of the same name may be replaced
        described["weights"] = sha256(weights)
    parts: dict[str, Any] = {
        "settings": settings,
        "seed": seed,
        "defense": None,
        "training": settings.training,
    }
    needs = {"catalog": catalog}
    label = f"extractor, seed {seed}"
    per_picture = 0
    if defense is not None:
        config = defense.config
        described |= {"defense": defense.kind, "config": config.model_dump(mode="json")}
        built = DEFENSES.get(defense.kind)(config)
        parts |= {"defense": built, "training": built.training(settings.training)}
        label = f"extractor with {defense.name}, seed {seed}"
        if built.start == "clean" and clean is not None:
            needs["clean"] = clean
        epochs = parts["training"].epochs
        per_picture = sum(built.gradient_evaluations(epoch / epochs) for epoch in range(epochs))
    return Stage("extractor", label, described, needs, {}, parts, gradients_per_picture=per_picture)


def _recommenders(
    recipe: Recipe, seed: int, tags: dict[str, Any], interactions: Stage, embeddings: Stage
) -> Iterator[Stage]:
    evaluation = recipe.experiment.evaluation
    for model in recipe.models:
        kind = RECOMMENDERS.get(model.kind)
        settings = {
            "model": model.kind,
            "config": model.config.model_dump(mode="json"),
            "seed": seed,
            "cutoffs": list(evaluation.cutoffs),
            "metrics": list(evaluation.simple_metrics),
            "relevance_threshold": evaluation.relevance_threshold,
            "top_k": recipe.experiment.top_k,
            "save_recs": model.meta.save_recs,
        }
        needs = {"interactions": interactions}
        if kind.uses_images:
            needs["embeddings"] = embeddings
        yield Stage(
            "recommender",
            f"recommender {model.name} over {tags['defense']}, seed {seed}",
            settings,
            needs,
            {**tags, "recommender": model.name},
            {"model": kind, "config": model.config, "seed": seed, "evaluation": evaluation},
        )


def _attacks(
    recipe: Recipe,
    seed: int,
    defense: Spec,
    threat: Spec,
    attack: AttackSpec,
    embeddings: Stage,
    extractor: Stage,
) -> Iterator[Stage]:
    built = ATTACKS.get(attack.kind)(attack.config)
    goal = THREATS.get(threat.kind)(threat.config)
    pairs = min(goal.pairs, attack.pairs or goal.pairs)
    for budget in attack.budgets:
        steps = getattr(attack.config, "steps", 1)
        yield Stage(
            "attack",
            f"{attack.name} {steps} eps {budget.eps:g} on {defense.name}, seed {seed}",
            {
                "threat": threat.kind,
                "goal": threat.config.model_dump(mode="json", exclude={"rank_min", "pairs"}),
                "pairs": pairs,
                "attack": attack.kind,
                "config": attack.config.model_dump(mode="json"),
                "norm": budget.norm,
                "eps": budget.eps,
                "seed": seed,
                "precision": recipe.adversarial.precision,
                "batch_size": recipe.adversarial.batch_size,
            },
            {"embeddings": embeddings, "extractor": extractor},
            {
                "defense": defense.name,
                "threat": threat.name,
                "attack": attack.name,
                "eps": budget.eps,
                "norm": budget.norm,
                "steps": steps,
                "seed": seed,
            },
            {
                "attack": built,
                "threat": goal,
                "budget": budget,
                "pairs": pairs,
                "seed": stream_seed("pairs", threat.kind, seed),
                "batch_size": recipe.adversarial.batch_size,
            },
            pairs * built.gradient_evaluations(),
        )


def _cells(
    recipe: Recipe,
    seed: int,
    defense: Spec,
    threat: Spec,
    attack: AttackSpec,
    embeddings: Stage,
    extractor: Stage,
    recommenders: list[Stage],
) -> Iterator[Stage]:
    judged = [stage for stage in recommenders if stage.parts["model"].uses_images]
    if not judged:
        raise UserError(
            f"threat '{threat.name}' attacks through images, and no recommender of the recipe uses images",
            where=f"{recipe.path}: experiment.models",
            remedy="add external.ContentKNN",
        )
    for attacked in _attacks(recipe, seed, defense, threat, attack, embeddings, extractor):
        yield attacked
        for recommender in judged:
            yield Stage(
                "rerank",
                f"re-ranking {recommender.tags['recommender']} under {attacked.label}",
                {},
                {"recommender": recommender, "attack": attacked},
                {**attacked.tags, "recommender": recommender.tags["recommender"]},
                dict(recommender.parts),
            )


def _exhibits(
    seed: int, defense: Spec, embeddings: Stage, catalog: Stage, extractor: Stage, cells: list[Stage]
) -> Stage:
    return Stage(
        "exhibits",
        f"pictures of {defense.name}, seed {seed}",
        {"seed": seed, "cells": [dict(cell.tags) for cell in cells]},
        {
            "embeddings": embeddings,
            "catalog": catalog,
            **{f"attack{number:03d}": cell for number, cell in enumerate(cells)},
        },
        {"defense": defense.name, "seed": seed},
        {"seed": seed, "cells": cells},
    )
