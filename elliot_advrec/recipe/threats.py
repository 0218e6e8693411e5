"""Entries of ``threats``: a threat, the recommenders it is judged on, and in which regimes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from elliot_advrec.component import Config
from elliot_advrec.recipe.attacks import chosen
from elliot_advrec.recipe.checked import build
from elliot_advrec.recipe.entry import open_entry
from elliot_advrec.recipe.kinds import THREAT
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.spec import ThreatSpec


class _Regimes(Config):
    regimes: tuple[Literal["fixed", "poisoned"], ...] = Field(default=("fixed",), min_length=1)

    @field_validator("regimes")
    @classmethod
    def _once(cls, regimes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(regimes)) < len(regimes):
            raise ValueError(f"regimes must differ, got {list(regimes)}")
        return regimes


def read_threat(node: Node, folder: Path, recommenders: list[str]) -> ThreatSpec:
    """One entry of ``threats``.

    Args:
        recommenders: names of the recipe's models.

    Raises:
        UserError: the first thing that is wrong.
    """
    entry = open_entry(THREAT, node, folder)
    named = chosen(entry.own.get("recommenders"), "recommender", recommenders)
    own = build(_Regimes, entry.own.without("recommenders"), folder)
    spec = entry.spec(folder)
    return ThreatSpec(spec.name, spec.kind, spec.config, spec.where, named, own.regimes)
