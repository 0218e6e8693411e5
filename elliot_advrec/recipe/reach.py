"""Which threat reaches which recommender, and by which attacks."""

from __future__ import annotations

from collections.abc import Sequence

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.errors import UserError
from elliot_advrec.recipe.spec import AttackSpec, ModelSpec, ThreatSpec


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
        UserError: one of them needs a gradient that the threat's adversary does not see, or there is none.
    """
    serving = [attack for attack in attacks if attack.threats is None or threat.name in attack.threats]
    if not serving:
        raise UserError(
            f"no attack serves the threat '{threat.name}'",
            where=threat.where,
            remedy=f"add {threat.name} to the 'threats' of an attack",
        )
    for attack in serving:
        if not threat.built.white_box and ATTACKS.get(attack.kind).needs == "gradient":
            raise UserError(
                f"the attack '{attack.name}' follows a gradient, and the adversary of '{threat.name}' sees "
                "values alone",
                where=attack.where,
                remedy="name the threats it serves: threats: [...]",
            )
    return serving


def _unreached(threat: ThreatSpec, model: ModelSpec) -> str | None:
    if not model.uses_images:
        return "it does not use images"
    if not model.attacked:
        return "it trains an extractor of its own"
    return threat.built.suits(model.component)
