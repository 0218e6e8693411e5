"""A progress that tests of hosts look into."""

from __future__ import annotations

from elliot_advrec.progress import SILENT


class Said:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    track = SILENT.track
    detail = SILENT.detail
