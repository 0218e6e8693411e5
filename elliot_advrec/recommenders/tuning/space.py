"""The settings of a model with some of them still to be found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args, get_origin

from elliot_advrec.component import Config, validate
from elliot_advrec.errors import UserError
from elliot_advrec.recommenders.tuning.candidates import Choice, Drawn, parse

#: Combinations that are all looked at before a search begins; of more, each setting is looked at alone.
CHECKED = 10_000

Build = Callable[[dict[str, Any]], Config]


@dataclass(frozen=True)
class Space:
    """Fixed settings, and candidates of the others.

    Args:
        fixed: settings that have one value.
        searched: setting -> candidates, in the recipe's order; empty: there is nothing to search.
        build: settings -> the model's validated configuration.
    """

    fixed: Mapping[str, Any]
    searched: Mapping[str, Choice | Drawn]
    build: Build

    @property
    def size(self) -> int | None:
        """How many combinations there are; None: a distribution has no number of them."""
        counts = [len(each.options) if isinstance(each, Choice) else None for each in self.searched.values()]
        return None if None in counts else math.prod(count for count in counts if count is not None)

    def at(self, places: Mapping[str, float]) -> dict[str, Any]:
        """The searched settings at a place.

        Args:
            places: for each searched setting the number of its option, or u in [0, 1] of its distribution.
        """
        return {
            key: each.options[int(places[key])] if isinstance(each, Choice) else each.at(places[key])
            for key, each in self.searched.items()
        }

    def config(self, chosen: Mapping[str, Any]) -> Config:
        """The whole configuration with these searched settings.

        Raises:
            UserError: the model does not take them; names them.
        """
        try:
            return self.build({**self.fixed, **chosen})
        except UserError as error:
            named = ", ".join(f"{key}: {value}" for key, value in chosen.items())
            raise UserError(
                f"{error.what} (the candidate {named})", where=error.where, remedy=error.remedy
            ) from None

    def check(self) -> None:
        """Refuse a search some of whose candidates the model does not take.

        Values that stand for all are tried: every option, the ends of every distribution; in all
        combinations, where those are not more than 10,000, else each setting with the first of the others.

        Raises:
            UserError: the first candidate that is refused.
        """
        for chosen in self._probes():
            self.config(chosen)

    def _probes(self) -> Iterator[dict[str, Any]]:
        probes = {key: each.probes() for key, each in self.searched.items()}
        if math.prod(map(len, probes.values())) <= CHECKED:
            yield from (dict(zip(probes, values, strict=True)) for values in product(*probes.values()))
            return
        first = {key: values[0] for key, values in probes.items()}
        for key, values in probes.items():
            yield from ({**first, key: value} for value in values)


def read_space(
    settings: Mapping[str, Any], model: type[Config], where: str, *, build: Build | None = None
) -> Space:
    """A model's settings as a recipe writes them, less ``meta``.

    A list is a search, as in Elliot, except where the setting itself is a list: there a list of lists is.

    Args:
        settings: key -> value.
        model: the configuration that they are for.
        where: the model's place in the recipe, for messages.
        build: how a configuration is made of settings; None: by validation alone.

    Raises:
        UserError: a list that cannot be read, or a candidate that the model does not take.
    """
    fixed: dict[str, Any] = {}
    searched: dict[str, Choice | Drawn] = {}
    for key, value in settings.items():
        types = _types(model, key)
        if not isinstance(value, list) or (types & {list, tuple} and not _of_lists(value)):
            fixed[key] = value
        elif types & {list, tuple}:
            searched[key] = Choice(tuple(value))
        else:
            whole = int in types and float not in types
            searched[key] = parse(value, whole=whole, where=f"{where}.{key}")
    space = Space(fixed, searched, build or (lambda given: validate(model, given, where)))
    if searched:
        space.check()
    return space


def _of_lists(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(each, list) for each in value)


def _types(model: type[Config], key: str) -> set[Any]:
    """The types that a setting may have; of a list, ``list`` or ``tuple`` alone."""
    field = model.model_fields.get(key)
    return set() if field is None else set(_leaves(field.annotation))


def _leaves(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (list, tuple):
        return [get_origin(annotation)]
    parts = get_args(annotation)
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [annotation]
