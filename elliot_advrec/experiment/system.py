"""What is attacked: an extractor under a defense, and the recommenders over it."""

from __future__ import annotations

from dataclasses import dataclass

from elliot_advrec.experiment.stages import Stage
from elliot_advrec.recipe import Spec


@dataclass(frozen=True)
class System:
    """What is attacked.

    Attributes:
        defense: what it is called by.
        extractor: under its training defense, if any.
        embeddings: of the catalog, as the shop sees it.
        recommenders: over those.
        guard: what stands in front of the extractor; None: nothing.
        below: the same without it; None where there is nothing to leave out.
    """

    defense: Spec
    extractor: Stage
    embeddings: Stage
    recommenders: list[Stage]
    guard: Stage | None = None
    below: System | None = None

    def recommender(self, like: Stage | None) -> Stage | None:
        """The recommender here that has the name and the fold of ``like``."""
        return None if like is None else next(one for one in self.recommenders if _same(one, like))

    def needs(self, interactions: Stage) -> dict[str, Stage]:
        """What attacks on it look at."""
        found = {
            "embeddings": self.embeddings,
            "extractor": self.extractor,
            "interactions": interactions,
        }
        return found if self.guard is None else {**found, "guard": self.guard}


def _same(one: Stage, other: Stage) -> bool:
    this, that = ((stage.tags["recommender"], stage.parts["suffix"]) for stage in (one, other))
    return this == that
