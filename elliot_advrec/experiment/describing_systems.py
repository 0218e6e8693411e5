"""The systems of one seed (an extractor under a defense, and the recommenders over it) and their attacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.component import Config
from elliot_advrec.experiment.describing_attacks import attack_stages, exhibits_stage, probe_stage
from elliot_advrec.experiment.describing_data import Data
from elliot_advrec.experiment.describing_extractors import extractor_stage
from elliot_advrec.experiment.describing_guards import (
    guard_stage,
    knowing,
    probing,
    shielded,
    taken_over,
)
from elliot_advrec.experiment.describing_rankings import judged_stages, recommender_stages
from elliot_advrec.experiment.learning import STEPS
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.extractors.frozen import Precision, resolve_precision
from elliot_advrec.recipe import AttackSpec, GuardSpec, Recipe, Spec, ThreatSpec
from elliot_advrec.recipe.reach import reached, served


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
            for stage in self._attacked(system, threat):
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
        )

    def _attacked(self, system: System, threat: ThreatSpec) -> Iterator[Stage]:
        """A threat's probe, its attacks, and the recommenders that are ranked again then."""
        names = {model.name for model in reached(threat, self.recipe.models)}
        judged = [stage for stage in system.recommenders if stage.tags["recommender"] in names]
        serving = [
            attack
            for attack in served(threat, self.recipe.adversarial.attacks)
            if attack.defenses is None or system.defense.name in attack.defenses
        ]
        for aim, on in _aims(threat, judged) if serving else ():
            needs = system.needs(self.data.folds[0][0])
            probe = probe_stage(self.recipe, self.seed, system.defense, threat, needs, self.precision, aim)
            yield probing(probe, system.defense) if isinstance(system.defense, GuardSpec) else probe
            for attack in serving:
                for stage in self._attacks(system, threat, attack, aim):
                    yield stage
                    yield from judged_stages(self.recipe, threat, stage, on)

    def _attacks(
        self, system: System, threat: ThreatSpec, attack: AttackSpec, aim: Stage | None
    ) -> Iterator[Stage]:
        """One attack at each budget, by attackers of each knowledge where there is something to know."""
        recipe, spec, guard, below = self.recipe, system.defense, system.guard, system.below

        def stages(of: System, on: Stage | None) -> Iterator[Stage]:
            return attack_stages(
                recipe,
                self.seed,
                of.defense,
                threat,
                attack,
                of.needs(self.data.folds[0][0]),
                self.precision,
                on,
                kept=self._kept(of, attack),
            )

        if guard is None or below is None or not isinstance(spec, GuardSpec):
            yield from stages(system, aim)
            return
        kind = ATTACKS.get(attack.kind)
        for knowledge in spec.config.knowledge:
            # Who looks at nothing has nothing to adapt; who sees answers alone has no gradient of a score.
            blind = kind.imitates if knowledge == "adaptive" else kind.needs != "gradient"
            if knowledge in _same_pictures(spec):
                if knowledge == "oblivious" or not blind:
                    for stage in stages(below, below.recommender(aim)):
                        yield taken_over(stage, spec, guard, system.embeddings, aim, knowledge)
            elif not blind and (knowledge == "adaptive" or spec.detector is not None):
                for stage in stages(system, aim):
                    yield knowing(stage, spec, guard, knowledge)

    def _kept(self, system: System, attack: AttackSpec) -> bool:
        """Whether a defense in front of this extractor is to face the pictures of an attack on it."""
        return system.guard is None and any(
            isinstance(defense, GuardSpec)
            and defense.config.over == system.defense.name
            and _same_pictures(defense) & set(defense.config.knowledge)
            and (attack.defenses is None or defense.name in attack.defenses)
            for defense in self.recipe.adversarial.defenses
        )


def _same_pictures(spec: GuardSpec) -> set[str]:
    """Who attacks as if nothing stood there: without a filter, nothing but the detector could be known."""
    return {"oblivious"} if spec.filter is not None else {"oblivious", "adaptive"}


def _aims(threat: ThreatSpec, judged: list[Stage]) -> Iterator[tuple[Stage | None, list[Stage]]]:
    """What a threat aims at, and the recommenders that are ranked again then: each by itself, or all."""
    if not threat.built.on_recommender:
        yield None, judged
        return
    for name in dict.fromkeys(stage.tags["recommender"] for stage in judged):
        folds = [stage for stage in judged if stage.tags["recommender"] == name]
        # Pictures are attacked against the first fold's recommender; the others see them as they come.
        yield folds[0], folds
