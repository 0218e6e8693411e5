"""How long work tells where it is: the work calls ``track``, the host decides what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


def epoch_line(number: int, epochs: int, values: Mapping[str, float | None], seconds: float) -> str:
    """What is said of an epoch: ``epoch 3 of 10: loss 0.412, 2.1 s``.

    Args:
        number: counted from 1.
        epochs: all of them.
        values: what was measured, by name; None where it was not.
        seconds: that it took.
    """
    measured = [f"{name} {value:.4g}" for name, value in values.items() if value is not None]
    return f"  epoch {number} of {epochs}: {', '.join([*measured, f'{seconds:.1f} s'])}"


class Progress(Protocol):
    """Anything that can show a task of known length."""

    def track(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """A context whose value is called with the number of units just done."""
        ...

    def say(self, message: str) -> None:
        """One line for a person."""
        ...

    def detail(self, message: str) -> None:
        """One line more, for a person who asked for it (``--verbose``), and for the log."""
        ...


class Silent:
    """Shows nothing; the default of every function that takes a ``progress``."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        yield lambda units: None

    def say(self, message: str) -> None:
        return None

    def detail(self, message: str) -> None:
        return None


class Several:
    """Shows the same in several places.

    Args:
        places: each is told everything.
    """

    def __init__(self, *places: Progress) -> None:
        self.places = places

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        with ExitStack() as stack:
            each = [stack.enter_context(place.track(description, total)) for place in self.places]

            def advance(units: int) -> None:
                for told in each:
                    told(units)

            yield advance

    def say(self, message: str) -> None:
        for place in self.places:
            place.say(message)

    def detail(self, message: str) -> None:
        for place in self.places:
            place.detail(message)


SILENT = Silent()
