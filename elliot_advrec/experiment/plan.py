"""From a recipe to the stages that answer it, in the order they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.experiment.checking_guards import check_guard, check_pictures
from elliot_advrec.experiment.describing_data import data_stages
from elliot_advrec.experiment.describing_rankings import recommender_stages
from elliot_advrec.experiment.describing_systems import Systems
from elliot_advrec.experiment.stages import ATTACKED, Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.experiment.suiting import check_catalog
from elliot_advrec.recipe import GuardSpec, Recipe

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
        return sum(self.gradients(stage) for stage in self._missing(store))

    def pictures_missing(self, store: Store) -> int:
        """Bytes of attacked pictures that ``store`` will keep for defenses that face them too, at most."""
        kept = (stage for stage in self._missing(store) if stage.settings.get("kept"))
        return sum(
            self._attacked(stage) * 3 * stage.needs["extractor"].needs["catalog"].parts["size"] ** 2
            for stage in kept
        )

    def gradients(self, stage: Stage) -> int:
        """Image-gradient evaluations of one stage, at most; reads the labels to count pictures."""
        if not stage.gradients_per_picture:
            return stage.gradients
        count = self._attacked(stage) if stage.split == ATTACKED else self._pictures[stage.split]
        if stage.pictures is not None:
            count = min(count, stage.pictures)
        return round(stage.gradients_per_picture * count)

    def _attacked(self, stage: Stage) -> int:
        """How many pictures an attack or a probe changes, at most."""
        found: int = min(stage.parts["pairs"], stage.parts["threat"].most(self.catalog))
        return found

    def _missing(self, store: Store) -> list[Stage]:
        return [stage for stage in self.unique() if not store.entry(stage.kind, stage.key).there()]

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
        for needed in (*ancestors(stage), stage):
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
    if any(isinstance(defense, GuardSpec) for defense in recipe.adversarial.defenses):
        check_pictures(recipe, plan.catalog)
    return plan


def ancestors(stage: Stage) -> Iterator[Stage]:
    """All that a stage needs, each after what it needs itself; some may come several times."""
    for needed in stage.needs.values():
        yield from ancestors(needed)
        yield needed


def _stages(recipe: Recipe, device: str) -> Iterator[Stage]:
    for defense in recipe.adversarial.defenses:
        if isinstance(defense, GuardSpec):
            check_guard(recipe, defense)
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
            systems = Systems(recipe, device, seed, data.catalog, data)
            for defense in recipe.adversarial.defenses:
                yield from systems.stages(defense)
