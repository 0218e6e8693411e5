"""One entry of a recipe (an attack, a defense, ...) as a validated component configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elliot_advrec.attacks import Budget
from elliot_advrec.component import Config
from elliot_advrec.recipe.elliot import Evaluation, Meta
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.context import Selection
from elliot_advrec.recommenders.recommendation_folder import ProxyRecommender
from elliot_advrec.recommenders.tuning.space import Space
from elliot_advrec.threats import THREATS, Threat

GIVEN = {"ProxyRecommender": ProxyRecommender}
"""Recommenders that read what others recommended; they are named by files, so no registry lists them."""


@dataclass(frozen=True)
class Spec:
    """A component that a recipe names.

    Attributes:
        name: label in tables and reports.
        kind: registered name of the component; ``none`` for no defense.
        config: its validated settings, an instance of the component's ``config_class``.
        where: file, line and key it was written at.
    """

    name: str
    kind: str
    config: Config
    where: str = field(compare=False)

    def resolved(self) -> dict[str, Any]:
        """The entry as JSON-able settings that load to the same spec."""
        return {"type": self.kind, "name": self.name, **self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class CatalogSpec(Spec):
    """The data, and the side of the square pictures in pixels."""

    size: int = 96

    def resolved(self) -> dict[str, Any]:
        return {
            "source": self.kind,
            "name": self.name,
            "size": self.size,
            **self.config.model_dump(mode="json"),
        }


@dataclass(frozen=True)
class ModelSpec(Spec):
    """A recommender; where its settings are searched, ``config`` is one candidate of many.

    Attributes:
        key: its key in ``experiment.models``, e.g. ``external.ContentKNN``.
        meta: Elliot's settings about it.
        space: the candidates, where its settings are searched.
        written: what the recipe says where that is not ``config`` as it stands.
        given: the settings that the recipe gives, as it gives them.
    """

    key: str = ""
    meta: Meta = field(default_factory=Meta)
    space: Space | None = field(default=None, compare=False)
    written: Mapping[str, Any] | None = None
    given: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def component(self) -> type[Recommender]:
        """The class."""
        return GIVEN[self.kind] if self.kind in GIVEN else RECOMMENDERS.get(self.kind)

    @property
    def uses_images(self) -> bool:
        """Whether the recommender sees pictures."""
        return self.component.uses_images

    @property
    def attacked(self) -> bool:
        """Whether it sees pictures through the recipe's extractor, so that threats can reach it."""
        return self.component.uses_images and not self.component.uses_pixels

    def selection(self, evaluation: Evaluation) -> Selection:
        """By what candidates and epochs are chosen."""
        return Selection(
            metrics=evaluation.simple_metrics,
            cutoffs=evaluation.cutoffs,
            relevance_threshold=evaluation.relevance_threshold,
            validation_metric=self.meta.validation_metric,
            validation_rate=self.meta.validation_rate,
            optimize_internal_loss=self.meta.optimize_internal_loss,
        )

    def resolved(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json") if self.written is None else dict(self.written)
        return {**settings, "meta": self.meta.model_dump(mode="json")}


@dataclass(frozen=True)
class ThreatSpec(Spec):
    """A threat, and what it is judged on.

    Attributes:
        recommenders: names of the recommenders it is judged on; None: all that it suits.
        regimes: ``fixed``: the recommender stays as it was fitted, and the attacked pictures take their place
            in its catalog. ``poisoned``: it is fitted again with the attacked pictures in the catalog.
    """

    recommenders: tuple[str, ...] | None = None
    regimes: tuple[str, ...] = ("fixed",)

    @property
    def poisoned(self) -> str:
        """What its rows in the regime ``poisoned`` are called."""
        return f"{self.name} (poisoned)"

    @property
    def built(self) -> Threat:
        """The threat."""
        return THREATS.get(self.kind)(self.config)

    def resolved(self) -> dict[str, Any]:
        return {
            **super().resolved(),
            "recommenders": None if self.recommenders is None else list(self.recommenders),
            "regimes": list(self.regimes),
        }


@dataclass(frozen=True)
class AttackSpec(Spec):
    """An attack and the budgets it is run within.

    Attributes:
        budgets: at least one, all of one norm.
        pairs: how many of the threat's pairs are attacked, the first ones; None: all.
        defenses: names of the defenses it is run against; None: all.
        threats: names of the threats it serves; None: all.
    """

    budgets: tuple[Budget, ...] = ()
    pairs: int | None = None
    defenses: tuple[str, ...] | None = None
    threats: tuple[str, ...] | None = None

    @property
    def steps(self) -> int | None:
        """Gradient steps, for attacks that have that setting."""
        return getattr(self.config, "steps", None)

    def resolved(self) -> dict[str, Any]:
        return {
            **super().resolved(),
            "norm": self.budgets[0].norm,
            "eps": [budget.eps for budget in self.budgets],
            "pairs": self.pairs,
            "defenses": None if self.defenses is None else list(self.defenses),
            "threats": None if self.threats is None else list(self.threats),
        }
