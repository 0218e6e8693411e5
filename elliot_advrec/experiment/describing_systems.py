"""The systems of one seed: an extractor under each defense, and the recommenders over it."""

from __future__ import annotations

from collections.abc import Iterator

from elliot_advrec.component import Config
from elliot_advrec.experiment.describing_adversaries import Adversaries
from elliot_advrec.experiment.describing_attacks import exhibits_stage
from elliot_advrec.experiment.describing_data import Data
from elliot_advrec.experiment.describing_extractors import extractor_stage
from elliot_advrec.experiment.describing_guards import guard_stage, shielded
from elliot_advrec.experiment.describing_rankings import recommender_stages
from elliot_advrec.experiment.learning import PICTURES, STEPS
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.system import System
from elliot_advrec.extractors.frozen import Precision, resolve_precision
from elliot_advrec.recipe import GuardSpec, Recipe, Spec


class Systems:
    """The systems of one seed, each made when it is first asked for.

    Args:
        recipe: names them.
        device: resolved device type.
        seed: of all that is trained.
        catalog: the items' stage.
        data: the folds.
    """

    def __init__(self, recipe: Recipe, device: str, seed: int, catalog: Stage, data: Data) -> None:
        self.recipe, self.device, self.seed, self.catalog, self.data = recipe, device, seed, catalog, data
        self.precision: Precision = resolve_precision(recipe.adversarial.precision, device)
        self.clean = extractor_stage(recipe, device, seed, catalog, None, None)
        self._specs = {defense.name: defense for defense in recipe.adversarial.defenses}
        self._made: dict[str, System] = {}
        self._adversaries = Adversaries(recipe, seed, self.precision, data.folds[0][0])

    def system(self, name: str) -> System:
        """The system under the defense ``name``; ``none`` is there in any case."""
        if name not in self._made:
            spec = self._specs.get(name) or Spec("none", "none", Config(), "")
            self._made[name] = self._guarded(spec) if isinstance(spec, GuardSpec) else self._trained(spec)
        return self._made[name]

    def stages(self, defense: Spec) -> Iterator[Stage]:
        """All that is done with the system under ``defense``."""
        system = self.system(defense.name)
        if system.guard is not None:
            yield system.guard
        yield system.embeddings
        if system.guard is None:
            yield self._accuracy(system)
        yield from system.recommenders
        attacks: list[Stage] = []
        for threat in self.recipe.adversarial.threats:
            for stage in self._adversaries.stages(system, threat):
                if stage.kind == "attack":
                    attacks.append(stage)
                yield stage
        if attacks:
            besides = {}
            if system.guard is not None and system.below is not None:
                besides = {"guard": system.guard, "unguarded": system.below.embeddings}
            yield exhibits_stage(self.seed, system.defense, system.embeddings, self.catalog, attacks, besides)

    def _trained(self, defense: Spec) -> System:
        extractor = self.clean
        if defense.kind != "none":
            extractor = extractor_stage(
                self.recipe, self.device, self.seed, self.catalog, defense, self.clean, self.precision
            )
        embeddings = self._embeddings(defense, {"extractor": extractor, "catalog": self.catalog})
        pictures = {interactions.key: embeddings for fold in self.data.folds for interactions in fold}
        tags = {"defense": defense.name, "seed": self.seed}
        ranked = recommender_stages(self.recipe, self.device, self.seed, tags, self.data.folds, pictures)
        return System(defense, extractor, embeddings, list(ranked))

    def _guarded(self, spec: GuardSpec) -> System:
        below = self.system(spec.config.over)
        ranking = next(
            (one for one in below.recommenders if one.tags["recommender"] == spec.config.ranking), None
        )
        guard = guard_stage(self.recipe, self.device, self.seed, spec, below.extractor, ranking)
        embeddings = below.embeddings
        if spec.filter is not None:
            needs = {"extractor": below.extractor, "catalog": self.catalog, "guard": guard}
            embeddings = self._embeddings(spec, needs)
        ranked = [shielded(one, embeddings, {"defense": spec.name}) for one in below.recommenders]
        return System(spec, below.extractor, embeddings, ranked, guard, below)

    def _embeddings(self, defense: Spec, needs: dict[str, Stage]) -> Stage:
        return Stage("embeddings", f"embeddings of {defense.name}, seed {self.seed}", {}, needs)

    def _accuracy(self, system: System) -> Stage:
        return Stage(
            "accuracy",
            f"accuracy of {system.defense.name}, seed {self.seed}",
            {"seed": self.seed},
            {"extractor": system.extractor, "catalog": self.catalog},
            {"defense": system.defense.name, "seed": self.seed},
            {"seed": self.seed},
            gradients_per_picture=float(STEPS),
            split="test",
            pictures=PICTURES,
        )
