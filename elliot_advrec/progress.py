"""How long work tells where it is: the work calls ``track``, the host decides what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Anything that can show a task of known length."""

    def track(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """A context whose value is called with the number of units just done."""
        ...

    def say(self, message: str) -> None:
        """One line for a person."""
        ...


class Silent:
    """Shows nothing; the default of every function that takes a ``progress``."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        yield lambda units: None

    def say(self, message: str) -> None:
        return None


SILENT = Silent()
