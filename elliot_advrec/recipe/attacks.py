"""Entries of ``attacks``: an attack, its budgets, and what it is run against."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from elliot_advrec.attacks import Budget
from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.checked import build, entries, text
from elliot_advrec.recipe.entry import Entry, open_entry
from elliot_advrec.recipe.eps import parse_eps
from elliot_advrec.recipe.kinds import ATTACK
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import AttackSpec


class _Reach(Config):
    norm: Literal["linf", "l2"] = "linf"
    pairs: int | None = Field(default=None, ge=1)


def read_attacks(node: Node, folder: Path, defenses: list[str], threats: list[str]) -> list[AttackSpec]:
    """One entry of ``attacks``; an entry with a list of ``steps`` is one attack a value.

    Args:
        defenses: names of the recipe's defenses.
        threats: names of its threats.

    Raises:
        UserError: the first thing that is wrong.
    """
    entry = open_entry(ATTACK, node, folder)
    own = build(_Reach, entry.own.without("eps", "defenses", "threats"), folder)
    if own.norm not in entry.component.norms:
        raise UserError(
            f"the attack '{entry.name}' has no form for {own.norm} budgets",
            where=entry.own.where("norm"),
            remedy="known: " + ", ".join(entry.component.norms),
        )
    budgets = tuple(Budget(own.norm, eps) for eps in _eps(entry, own.norm))
    if entry.component.unbounded and (own.norm != "linf" or min(b.eps for b in budgets) < 1):
        raise UserError(
            f"the attack '{entry.name}' holds no budget", where=entry.own.where("eps"), remedy="write eps: 1"
        )
    against = chosen(entry.own.get("defenses"), "defense", defenses)
    serving = chosen(entry.own.get("threats"), "threat", threats)
    specs = [variant.spec(folder) for variant in _steps(entry)]
    return [
        AttackSpec(s.name, s.kind, s.config, s.where, budgets, own.pairs, against, serving) for s in specs
    ]


def _eps(entry: Entry[Any], norm: str) -> list[float]:
    node = entry.own.get("eps")
    if node is None:
        raise UserError(
            f"attack '{entry.name}' has no budget",
            where=entry.where,
            remedy="add e.g. eps: 0.03 or eps: [2/255, 8/255]",
        )
    found: list[float] = []
    for item in entries(node, "budgets"):
        eps = parse_eps(item.plain(), where=str(item.origin), norm=norm)
        if eps in found:
            raise UserError(
                f"the budget {item.plain()} is listed twice", where=str(item.origin), remedy="keep one"
            )
        found.append(eps)
    return found


def chosen(node: Node | None, what: str, known: list[str]) -> tuple[str, ...] | None:
    """Names of other entries of the recipe that an entry selects; None where it selects nothing.

    Args:
        what: what they are, in the singular.
        known: the names there are.

    Raises:
        UserError: the recipe has no such entry.
    """
    if node is None or node.value is None:
        return None
    names = [(text(item, f"a {what}'s name"), item) for item in entries(node, f"{what}s")]
    for name, item in names:
        if name not in known:
            raise UserError(
                f"the recipe has no {what} '{name}'", where=str(item.origin), remedy=nearest(name, known)
            )
    return tuple(name for name, _ in names)


def _steps(entry: Entry[Any]) -> list[Entry[Any]]:
    """One entry a value of a list of ``steps``; the entry itself otherwise."""
    node = entry.settings.get("steps")
    if node is None or not isinstance(node.value, list):
        return [entry]
    return [
        Entry(
            entry.name,
            entry.kind,
            entry.component,
            Node({**entry.settings.value, "steps": steps}, entry.settings.origin),
            entry.own,
        )
        for steps in entries(node, "steps")
    ]
