"""How long the rest of a run will take, from what its stages took so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LEAST = 60.0
"""Seconds below which nobody asks."""


@dataclass
class Forecast:
    """Time that is left, by kind of stage and gradient evaluations.

    Stages that compute gradients take as long as these at the pace of their kind so far; others as long as
    their kind took on average.

    Args:
        ahead: (kind, gradient evaluations, at most) of each stage to come.
    """

    ahead: Iterable[tuple[str, int]]
    _left: list[tuple[str, int]] = field(init=False)
    _spent: dict[str, tuple[float, int, int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._left = list(self.ahead)

    def done(self, kind: str, gradients: int, seconds: float) -> None:
        """A stage took so long; one that was damaged since the run began is one more of its kind."""
        if (kind, gradients) in self._left:
            self._left.remove((kind, gradients))
        time, work, number = self._spent.get(kind, (0.0, 0, 0))
        self._spent[kind] = (time + seconds, work + gradients, number + 1)

    def left(self) -> tuple[float, bool]:
        """Seconds for all that is to come, and whether that is all: kinds not seen yet count nothing."""
        total, whole = 0.0, True
        for kind, gradients in self._left:
            if kind not in self._spent:
                whole = False
                continue
            time, work, number = self._spent[kind]
            total += time / work * gradients if gradients and work else time / number
        return total, whole

    def said(self) -> str:
        """What is said beside the stage that begins: `` (about 12 min left)``; empty where little is."""
        seconds, whole = self.left()
        if seconds < LEAST:
            return ""
        minutes = round(seconds / 60)
        hours = f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
        return f" ({'about' if whole else 'more than'} {hours} left)"
