"""The kinds of components that recipes name, and the keys that are the recipe's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from elliot_advrec.attacks import ATTACKS
from elliot_advrec.component import Component
from elliot_advrec.data.sources import SOURCES
from elliot_advrec.defenses import DEFENSES
from elliot_advrec.detectors import DETECTORS
from elliot_advrec.filters import FILTERS
from elliot_advrec.registry import Registry
from elliot_advrec.threats import THREATS

P = TypeVar("P", bound=Component)


@dataclass(frozen=True)
class Kind(Generic[P]):
    """A kind of component that recipes name.

    Attributes:
        word: singular, for messages.
        folder: its presets' folder of ``configs/``.
        registry: its components.
        key: the key of an entry that names the component itself.
        own: keys of an entry that are the recipe's, not the component's.
    """

    word: str
    folder: str
    registry: Registry[P]
    key: str = "type"
    own: tuple[str, ...] = ()


ATTACK = Kind("attack", "attacks", ATTACKS, own=("eps", "norm", "pairs", "defenses", "threats"))
DEFENSE = Kind("defense", "defenses", DEFENSES)
FILTER = Kind("filter", "filters", FILTERS)
DETECTOR = Kind("detector", "detectors", DETECTORS)
THREAT = Kind("threat", "threats", THREATS, own=("recommenders", "regimes"))
SOURCE = Kind("source", "datasets", SOURCES, key="source", own=("size",))
