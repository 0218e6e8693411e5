"""What our engine says while Elliot runs: lines on standard output, where Elliot's own log goes too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from elliot_advrec.progress import Advance


class Telling:
    """Says what is being done, without a bar: Elliot's log is no terminal."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        yield lambda units: None

    def say(self, message: str) -> None:
        print(f"elliot_advrec: {message}", flush=True)

    def detail(self, message: str) -> None:
        return None
