"""Errors a person can mend: one sentence that says what, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something in the recipe, the data or the machine that the user can put right.

    The command line prints it as one sentence and exits with code 2; no traceback.

    Args:
        what: what is wrong, e.g. ``unknown attack 'pdg'``.
        where: the file, key or line it stands in, e.g. ``recipe.yml: experiment.adversarial.attacks[1]``.
        remedy: what would be right, e.g. ``did you mean 'pgd'?``.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.remedy = what, where, remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f"; {self.remedy}" if self.remedy else ""
        # Names in it come from files that others may have written.
        return plain(f"{place}{self.what}{cure}")

    def at(self, where: str) -> UserError:
        """The same error, placed further out: ``where`` is put before the place it already names."""
        inner = f"{where}: {self.where}" if self.where else where
        return type(self)(self.what, where=inner, remedy=self.remedy)


class AloneError(UserError):
    """One that a process of several meets and the others need not: it speaks, whoever else does."""


def plain(text: str) -> str:
    """``text`` with control characters made visible, so that it cannot steer a terminal or split a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt ``name``: the closest known one, and all of them when they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(names) if len(names) <= 24 else ", ".join(names[:24]) + ", ..."
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {listed}" if names else "none are known"
