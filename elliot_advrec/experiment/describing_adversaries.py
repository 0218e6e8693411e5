"""What is done to a system: threats are probed, attacks run by whoever knows what, and all ranked again."""

from __future__ import annotations

from collections.abc import Iterator

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.experiment.describing_attacks import attack_stages, probe_stage
from elliot_advrec.experiment.describing_knowledge import knowing, probing, taken_over
from elliot_advrec.experiment.describing_rankings import judged_stages
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.system import System
from elliot_advrec.extractors.frozen import Precision
from elliot_advrec.recipe import AttackSpec, GuardSpec, Recipe, ThreatSpec
from elliot_advrec.recipe.reach import reached, served


class Adversaries:
    """The adversaries of one seed.

    Args:
        recipe: names threats and attacks.
        seed: of all that is drawn.
        precision: in which they differentiate.
        interactions: those of the first fold.
    """

    def __init__(self, recipe: Recipe, seed: int, precision: Precision, interactions: Stage) -> None:
        self.recipe, self.seed, self.precision, self.interactions = recipe, seed, precision, interactions

    def stages(self, system: System, threat: ThreatSpec) -> Iterator[Stage]:
        """A threat's probe, its attacks, and the recommenders that are ranked again then."""
        names = {model.name for model in reached(threat, self.recipe.models)}
        judged = [stage for stage in system.recommenders if stage.tags["recommender"] in names]
        serving = [
            attack
            for attack in served(threat, self.recipe.adversarial.attacks)
            if attack.defenses is None or system.defense.name in attack.defenses
        ]
        for aim, on in _aims(threat, judged) if serving else ():
            needs = system.needs(self.interactions)
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
                of.needs(self.interactions),
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
