"""Tradesy: second-hand clothes, as published with VBPR.

He, McAuley: VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback, AAAI 2016. ``tradesy.json.gz``
holds one user a line, a Python literal such as ``{'lists': {'selling': [...], 'sold': [...], 'bought': [...],
'want': [...]}, 'uid': '1234'}``; the images lie where the user put them.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from elliot_advrec.data.sources.image_shop import ImagesConfig, ImageShop
from elliot_advrec.data.sources.pairs import Collector, Pairs
from elliot_advrec.data.sources.records import records
from elliot_advrec.errors import UserError, nearest

LISTS = ("bought", "want", "selling", "sold")


class TradesyConfig(ImagesConfig):
    """Settings of the Tradesy source."""

    interactions: Path
    """``tradesy.json.gz``: one user a line, with lists of item ids."""

    lists: tuple[str, ...] = Field(default=("bought", "want"), min_length=1)
    """Lists that count as positive feedback; VBPR takes what was bought and what is wanted."""

    @field_validator("lists")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in LISTS:
                raise ValueError(f"unknown list '{name}'; {nearest(name, LISTS)}")
        return value


class Tradesy(ImageShop):
    """Tradesy: what users bought and want (tradesy.json.gz), and a folder of images by item id."""

    config_class = TradesyConfig
    config: TradesyConfig

    def pairs(self) -> Pairs:
        """One row an entry of the chosen lists, rating 1; the file has no times."""
        path = self.files()[0]
        found = Collector()
        for number, entry in records(path):
            lists, user = entry.get("lists"), entry.get("uid")
            if not isinstance(lists, dict) or not isinstance(user, str | int) or user == "":
                raise UserError(
                    "the line has no 'uid' or no 'lists'",
                    where=f"{path}:{number}",
                    remedy=f"its keys are {', '.join(map(str, entry))}",
                )
            for name in self.config.lists:
                items = lists.get(name, [])
                if not isinstance(items, list) or not all(isinstance(item, str | int) for item in items):
                    raise UserError(f"the list '{name}' is not a list of ids", where=f"{path}:{number}")
                for item in items:
                    found.add(str(user), str(item))
        pairs = found.pairs()
        if not len(pairs):
            raise UserError(f"no user has anything in {', '.join(self.config.lists)}", where=str(path))
        return pairs

    def files(self) -> list[Path]:
        """The lists of all users."""
        return [self.resolve(self.config.interactions)]
