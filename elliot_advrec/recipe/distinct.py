"""Entries of a recipe must differ in what tables show: two that nobody could tell apart are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.recipe.spec import AttackSpec, Spec, ThreatSpec


def identity(spec: Spec) -> tuple[Any, ...]:
    """What tells an entry from its neighbours in a table."""
    return (spec.name, spec.steps, spec.pairs) if isinstance(spec, AttackSpec) else (spec.name,)


def refuse_twice(specs: Sequence[Spec], what: str) -> None:
    """Refuse two entries that tables could not tell apart.

    Raises:
        UserError: naming both places.
    """
    seen: dict[tuple[Any, ...], Spec] = {}
    for spec in specs:
        key = identity(spec)
        if key in seen:
            raise UserError(
                f"the {what} '{spec.name}' is here twice, the other at {seen[key].where}",
                where=spec.where,
                remedy="give one of them another 'name', or merge their settings"
                if what != "attack"
                else "merge their eps into one list, or give one of them another 'name'",
            )
        seen[key] = spec


def refuse_same_threats(threats: Sequence[ThreatSpec]) -> None:
    """Refuse a threat that is called as another one is in the regime ``poisoned``.

    Raises:
        UserError: naming both places.
    """
    named = {threat.name: threat for threat in threats}
    for threat in threats:
        if "poisoned" in threat.regimes and threat.poisoned in named:
            raise UserError(
                f"the rows of '{threat.name}' in the regime poisoned are called '{threat.poisoned}' too, as "
                f"those at {threat.where}",
                where=named[threat.poisoned].where,
                remedy="give one of them another 'name'",
            )


def refuse_same_cells(attacks: Sequence[AttackSpec]) -> None:
    """Refuse two attacks that differ in ``pairs`` alone at one budget: rows have no column that tells them.

    Raises:
        UserError: naming both places.
    """
    seen: dict[tuple[Any, ...], list[AttackSpec]] = {}
    for attack in attacks:
        for budget in attack.budgets:
            others = seen.setdefault((attack.name, attack.steps, budget), [])
            for other in others:
                if not (_apart(attack.defenses, other.defenses) or _apart(attack.threats, other.threats)):
                    raise UserError(
                        f"the attack '{attack.name}' at eps {budget.eps:g} is here twice,"
                        f" the other at {other.where}",
                        where=attack.where,
                        remedy="give one of them another 'name', or take that eps out of one",
                    )
            others.append(attack)


def _apart(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Whether two selections, of which None is all, have nothing in common."""
    return one is not None and other is not None and set(one).isdisjoint(other)
