"""Progress for people: bars with an ETA in a terminal, dated lines with an ETA in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from elliot_advrec.errors import plain
from elliot_advrec.paced import lines
from elliot_advrec.progress import Advance


class ConsoleProgress:
    """Shows tasks on standard error, so that standard output holds results alone.

    Args:
        console: where, instead.
        verbose: whether details are shown.
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        self.console, self.verbose = console or Console(stderr=True), verbose

    def say(self, message: str) -> None:
        stamp = "" if self.console.is_terminal else time.strftime("%H:%M:%S ")
        self.console.print(f"{stamp}{plain(message)}", markup=False, highlight=False, soft_wrap=True)

    def detail(self, message: str) -> None:
        if self.verbose:
            self.say(message)

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        if not self.console.is_terminal:
            yield lines(self.say, description, total)
            return
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
