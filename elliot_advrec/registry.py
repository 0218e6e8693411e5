"""Names of pluggable parts: built-in ones by dotted path, others through entry points.

A built-in part is one line in its package's ``__init__``; a part of another distribution is one line in
that distribution's ``[project.entry-points."elliot_advrec.attacks"]`` (or ``.defenses``, ``.filters``,
``.detectors``, ``.threats``, ``.recommenders``, ``.sources``). Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from elliot_advrec.component import Component
from elliot_advrec.errors import UserError, nearest

P = TypeVar("P", bound=Component)


class Registry(Generic[P]):
    """The parts of one kind.

    Args:
        kind: singular word for messages, e.g. ``attack``.
        base: what every part must be a subclass of.
        builtin: name -> ``package.module:Class``.
    """

    def __init__(self, kind: str, base: type[P], builtin: Mapping[str, str]) -> None:
        self.kind, self.base, self._builtin = kind, base, dict(builtin)

    @property
    def group(self) -> str:
        """Entry-point group that other distributions register in."""
        return f"elliot_advrec.{self.kind}s"

    def names(self) -> list[str]:
        """All names, built-in first."""
        return [*self._builtin, *sorted(e.name for e in entry_points(group=self.group))]

    def name_of(self, part: type[P]) -> str:
        """The name that gives ``part``.

        Raises:
            UserError: it has none.
        """
        for name in self.names():
            with suppress(UserError):  # a part that cannot be imported is not this one
                if self.get(name) is part:
                    return name
        raise UserError(
            f"{part.__name__} is no registered {self.kind}",
            remedy=f"register it in the entry-point group {self.group}",
        )

    def get(self, name: str, where: str | None = None) -> type[P]:
        """The class called ``name``.

        Raises:
            UserError: no such part, or an entry point that cannot be imported or is of another kind.
        """
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            found = getattr(importlib.import_module(module), attribute)
        else:
            matches = [e for e in entry_points(group=self.group) if e.name == name]
            if not matches:
                raise UserError(
                    f"unknown {self.kind} '{name}'", where=where, remedy=nearest(name, self.names())
                )
            try:
                found = matches[0].load()
            except Exception as error:  # another distribution's import may fail in any way
                raise UserError(
                    f"the {self.kind} '{name}' of {matches[0].value} cannot be imported ({error})",
                    where=where,
                    remedy="repair or uninstall the package that provides it",
                ) from error
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise UserError(
                f"'{name}' is not a {self.kind}: it must subclass {self.base.__name__}", where=where
            )
        return found
