"""Progress for people: bars with an ETA in a terminal, dated lines with an ETA in a log file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from elliot_advrec.errors import plain
from elliot_advrec.progress import Advance

LOG_EVERY = 15.0  # seconds between lines of one task in a log file
PACE_OVER = 8  # of those lines, over which the pace is taken
AT_ONCE = 1.0  # seconds within which units were not done now, but restored


class ConsoleProgress:
    """Shows tasks on standard error, so that standard output holds results alone."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def say(self, message: str) -> None:
        stamp = "" if self.console.is_terminal else time.strftime("%H:%M:%S ")
        self.console.print(f"{stamp}{plain(message)}", markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        shown = self._bar if self.console.is_terminal else self._lines
        with shown(description, total) as advance:
            yield advance

    @contextmanager
    def _bar(self, description: str, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            task = bars.add_task(plain(description), total=total)
            yield lambda units: bars.advance(task, units)

    @contextmanager
    def _lines(self, description: str, total: int) -> Iterator[Advance]:
        begun = last = time.monotonic()
        # The pace of late: what an earlier run had done already comes first, all at once.
        seen: deque[tuple[float, int]] = deque([(last, 0)], maxlen=PACE_OVER)
        done = 0

        def advance(units: int) -> None:
            nonlocal done, last
            now = time.monotonic()
            done += units
            if now - begun < AT_ONCE:
                seen[0] = (now, done)
            if now - last >= LOG_EVERY and done < total:
                last = now
                since, before = seen[0]
                left = (now - since) / max(done - before, 1) * (total - done)
                seen.append((now, done))
                self.say(f"  {description}: {done}/{total}, about {_duration(left)} left")

        yield advance


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
