"""Entries of ``defenses``: a training defense, what stands in front of an extractor, or ``none``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elliot_advrec.component import Config
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.recipe.entry import open_entry
from elliot_advrec.recipe.guard_spec import GuardSpec
from elliot_advrec.recipe.guards import guarded, read_guard
from elliot_advrec.recipe.kinds import DEFENSE
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import Spec

NO_DEFENSE = "none"


def undefended(where: str) -> Spec:
    """No defense, asked for at ``where``."""
    return Spec(NO_DEFENSE, NO_DEFENSE, Config(), where)


def read_defense(node: Node, folder: Path, recommenders: list[str]) -> Spec:
    """One entry of ``defenses``.

    Args:
        recommenders: names of the recipe's models.

    Raises:
        UserError: the first thing that is wrong.
    """
    if node.value == NO_DEFENSE:
        return undefended(str(node.origin))
    guard = guarded(node, folder)
    if guard is not None:
        spec: Spec = read_guard(guard, folder, recommenders)
    else:
        spec = open_entry(DEFENSE, node, folder).spec(folder)
    if spec.name == NO_DEFENSE:
        raise UserError(
            "a defense cannot be called 'none'", where=spec.where, remedy="give it another 'name'"
        )
    return spec


def stand_over(defenses: Sequence[Spec]) -> None:
    """Refuse a filter or detector over what is no training defense of the recipe.

    Raises:
        UserError: names the entry.
    """
    below = [NO_DEFENSE, *(d.name for d in defenses if not isinstance(d, GuardSpec) and d.kind != NO_DEFENSE)]
    for defense in defenses:
        if isinstance(defense, GuardSpec) and defense.config.over not in below:
            raise UserError(
                f"'{defense.name}' stands over '{defense.config.over}', which is no training defense here",
                where=defense.where,
                remedy=nearest(defense.config.over, below),
            )
