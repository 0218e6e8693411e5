"""From a recipe to the stages that answer it, in the order they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.experiment.describing import attack_stages, exhibits_stage, extractor_stage, probe_stage
from elliot_advrec.experiment.describing_data import Data, data_stages
from elliot_advrec.experiment.describing_rankings import judged_stages, recommender_stages
from elliot_advrec.experiment.learning import STEPS
from elliot_advrec.experiment.stages import ATTACKED, Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.experiment.suiting import check_catalog
from elliot_advrec.extractors.frozen import resolve_precision
from elliot_advrec.recipe import Recipe, ThreatSpec
from elliot_advrec.recipe.reach import reached, served

RANKED = ("recommender", "rerank", "retrain")
"""Kinds of stages that rank."""


@dataclass(frozen=True)
class Plan:
    """The stages of one recipe.

    Attributes:
        stages: in an order in which every stage comes after all that it needs.
        cells: how many (recommender, defense, threat, attack, budget) are judged, over all seeds; where
            nothing is attacked, how many recommenders are.
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
        """Image-gradient evaluations of one stage, at most; reads the labels to count pictures."""
        if not stage.gradients_per_picture:
            return stage.gradients
        if stage.split == ATTACKED:
            count = min(stage.parts["pairs"], stage.parts["threat"].most(self.catalog))
        else:
            count = self._pictures[stage.split]
        return round(stage.gradients_per_picture * count)

    @cached_property
    def catalog(self) -> Catalog:
        """The items by their labels alone: no picture is decoded."""
        found: Catalog = next(s.parts["source"] for s in self.stages if s.kind == "catalog").catalog()
        return found

    @cached_property
    def _pictures(self) -> Counter[str]:
        """How many pictures each split has."""
        return Counter(self.catalog.split.tolist())


def make_plan(recipe: Recipe, device: str) -> Plan:
    """The plan of ``recipe``; looks at the data's file list and labels, decodes no picture, runs nothing.

    Args:
        device: resolved device type, ``cpu`` or ``cuda``; numbers differ in the last digits between the two,
            so results of one are not taken for those of the other.

    Raises:
        UserError: the data cannot be found, a threat has no recommender to be judged on, or the catalog lacks
            what it asks for.
    """
    stages: dict[str, Stage] = {}
    for stage in _stages(recipe, device):
        for needed in (*_ancestors(stage), stage):
            # One key may serve several labels (the same attack under two names): each keeps its own rows.
            stages.setdefault(f"{needed.key}/{sorted(needed.tags.items())}", needed)
    ordered = tuple(stages.values())
    # The folds of a cell are one cell.
    cells = {kind: {str(sorted(s.tags.items())) for s in ordered if s.kind == kind} for kind in RANKED}
    alone = {str(sorted(s.tags.items())) for s in ordered if s.kind == "attack" and "recommender" in s.tags}
    attacked = cells["rerank"] | cells["retrain"] | alone
    plan = Plan(ordered, len(attacked or cells["recommender"]))
    if recipe.adversarial.threats:
        check_catalog(recipe, plan.catalog)
    return plan


def _ancestors(stage: Stage) -> Iterator[Stage]:
    for needed in stage.needs.values():
        yield from _ancestors(needed)
        yield needed


def _stages(recipe: Recipe, device: str) -> Iterator[Stage]:
    data = data_stages(recipe)
    if data.catalog is not None:
        yield data.catalog
    for fold in data.folds:
        yield from fold
    for seed in recipe.adversarial.seeds:
        if data.catalog is None:
            tags = {"defense": "none", "seed": seed}
            yield from recommender_stages(recipe, device, seed, tags, data.folds, data.features)
        else:
            yield from _seed(recipe, device, seed, data.catalog, data)


def _seed(recipe: Recipe, device: str, seed: int, catalog: Stage, data: Data) -> Iterator[Stage]:
    adversarial = recipe.adversarial
    precision = resolve_precision(adversarial.precision, device)
    clean = extractor_stage(recipe, device, seed, catalog, None, None)
    for defense in adversarial.defenses:
        extractor = clean
        if defense.kind != "none":
            extractor = extractor_stage(recipe, device, seed, catalog, defense, clean, precision)
        tags = {"defense": defense.name, "seed": seed}
        embeddings = Stage(
            "embeddings",
            f"embeddings of {defense.name}, seed {seed}",
            {},
            {"extractor": extractor, "catalog": catalog},
        )
        yield embeddings
        yield Stage(
            "accuracy",
            f"accuracy of {defense.name}, seed {seed}",
            {"seed": seed},
            {"extractor": extractor, "catalog": catalog},
            tags,
            {"seed": seed},
            gradients_per_picture=float(STEPS),
            split="test",
        )
        pictures = {interactions.key: embeddings for fold in data.folds for interactions in fold}
        recommenders = list(recommender_stages(recipe, device, seed, tags, data.folds, pictures))
        yield from recommenders
        needs = {"embeddings": embeddings, "extractor": extractor, "interactions": data.folds[0][0]}
        attacks: list[Stage] = []
        for threat in adversarial.threats:
            names = {model.name for model in reached(threat, recipe.models)}
            judged = [stage for stage in recommenders if stage.tags["recommender"] in names]
            serving = [
                attack
                for attack in served(threat, adversarial.attacks)
                if attack.defenses is None or defense.name in attack.defenses
            ]
            for aim, on in _aims(threat, judged) if serving else ():
                yield probe_stage(recipe, seed, defense, threat, needs, precision, aim)
                for attack in serving:
                    for stage in attack_stages(recipe, seed, defense, threat, attack, needs, precision, aim):
                        attacks.append(stage)
                        yield stage
                        yield from judged_stages(recipe, threat, stage, on)
        if attacks:
            yield exhibits_stage(seed, defense, embeddings, catalog, attacks)


def _aims(threat: ThreatSpec, judged: list[Stage]) -> Iterator[tuple[Stage | None, list[Stage]]]:
    """What a threat aims at, and the recommenders that are ranked again then: each by itself, or all."""
    if not threat.built.on_recommender:
        yield None, judged
        return
    for name in dict.fromkeys(stage.tags["recommender"] for stage in judged):
        folds = [stage for stage in judged if stage.tags["recommender"] == name]
        # Pictures are attacked against the first fold's recommender; the others see them as they come.
        yield folds[0], folds
