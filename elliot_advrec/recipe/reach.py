"""Which threat reaches which recommender, and by which attacks."""

from __future__ import annotations

from collections.abc import Sequence

from elliot_advrec.attacks import ATTACKS, Attack
from elliot_advrec.errors import UserError
from elliot_advrec.recipe.guard_spec import GuardSpec
from elliot_advrec.recipe.spec import AttackSpec, ModelSpec, Spec, ThreatSpec
from elliot_advrec.threats import Threat


def reached(threat: ThreatSpec, models: Sequence[ModelSpec]) -> list[ModelSpec]:
    """The recommenders that a threat is judged on: those it names, or all that it suits.

    Raises:
        UserError: it names one that it cannot reach, with the reason, or there is none.
    """
    reasons = {model.name: _unreached(threat, model) for model in models}
    for name in threat.recommenders or ():
        if reasons[name] is not None:
            raise UserError(
                f"the threat '{threat.name}' cannot attack {name}: {reasons[name]}",
                where=threat.where,
                remedy="take it out of 'recommenders'",
            )
    found = [
        model
        for model in models
        if reasons[model.name] is None and (threat.recommenders is None or model.name in threat.recommenders)
    ]
    if not found:
        said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason is not None)
        best = "external.VBPR" if threat.built.on_recommender else "external.ContentKNN"
        raise UserError(
            f"the threat '{threat.name}' attacks through images, and no recommender of the recipe can be"
            f" reached{f' ({said})' if said else ''}",
            where=threat.where,
            remedy=f"add {best}",
        )
    return found


def served(threat: ThreatSpec, attacks: Sequence[AttackSpec]) -> list[AttackSpec]:
    """The attacks that serve a threat.

    Raises:
        UserError: one of them needs what the threat's adversary does not have, or has too few pairs to be
            judged, or there is none.
    """
    serving = [attack for attack in attacks if attack.threats is None or threat.name in attack.threats]
    if not serving:
        raise UserError(
            f"no attack serves the threat '{threat.name}'",
            where=threat.where,
            remedy=f"add {threat.name} to the 'threats' of an attack",
        )
    for attack in serving:
        reason = _unserved(threat.built, ATTACKS.get(attack.kind))
        if reason is not None:
            raise UserError(
                f"the attack '{attack.name}' {reason[0]}, and the adversary of '{threat.name}' {reason[1]}",
                where=attack.where,
                remedy="name the threats it serves: threats: [...]",
            )
        together = threat.built.together
        if attack.pairs is not None and attack.pairs < together:
            raise UserError(
                f"{attack.pairs} pairs of the attack '{attack.name}' are too few for the threat"
                f" '{threat.name}', which judges {together} pictures at a time",
                where=attack.where,
                remedy=f"write --set attacks.{attack.name}.pairs={together}, or more, or name the threats it"
                " serves: threats: [...]",
            )
    return serving


def ranks(defense: Spec, models: Sequence[ModelSpec]) -> None:
    """Refuse a filter that is to learn from a recommender whose scores do not follow pictures.

    Raises:
        UserError: with the reason.
    """
    if not isinstance(defense, GuardSpec) or defense.config.ranking is None:
        return
    model = next(one for one in models if one.name == defense.config.ranking)
    reason = None
    if not model.uses_images:
        reason = "it does not use images"
    elif not model.attacked:
        reason = "it trains an extractor of its own"
    elif not model.component.differentiable:
        reason = "its scores have no gradient"
    elif not model.component.own_picture:
        reason = "users who have not taken an item score it without looking at its picture"
    if reason is not None:
        raise UserError(
            f"the filter of '{defense.name}' cannot learn from the ranking of {model.name}: {reason}",
            where=defense.where,
            remedy="name a recommender such as VBPR, or take 'ranking' out",
        )


def _unserved(threat: Threat, attack: type[Attack]) -> tuple[str, str] | None:
    """What an attack does and a threat's adversary cannot, one phrase each; None where they go together."""
    if attack.imitates:
        named = threat.names_pictures
        return None if named else ("shows another item's picture", "has none in mind")
    if threat.blind:
        return "follows answers of the recommender", "has pictures alone"
    if attack.needs == "gradient" and not threat.white_box:
        return "follows a gradient", "sees values alone"
    return None


def _unreached(threat: ThreatSpec, model: ModelSpec) -> str | None:
    if not model.uses_images:
        return "it does not use images"
    if not model.attacked:
        return "it trains an extractor of its own"
    return threat.built.suits(model.component)
