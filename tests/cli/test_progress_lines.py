"""Progress in a log file: dated lines whose ETA is of what is left to do, at the pace of late."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from elliot_advrec import paced
from elliot_advrec.console import ConsoleProgress


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(paced.time, "monotonic", lambda: self.now)


def lines(steps: list[tuple[float, int]], total: int, clock: Clock) -> list[str]:
    """What is shown when these many units come these many seconds after the ones before."""
    stream = io.StringIO()
    with ConsoleProgress(Console(file=stream, width=200)).track("working", total) as advance:
        for seconds, units in steps:
            clock.now += seconds
            advance(units)
    return [line.partition("working: ")[2] for line in stream.getvalue().splitlines()]


def test_what_was_restored_at_once_says_nothing_about_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert lines([(0.1, 500), (20, 10), (20, 10)], 600, clock) == [
        "510/600, about 3:00 left",
        "520/600, about 2:40 left",
    ]


def test_many_batches_restored_at_once_say_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert lines([(0.01, 32)] * 40 + [(20, 32)], 60 * 32, clock) == ["1312/1920, about 6:20 left"]


def test_without_a_restored_part_all_units_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines([(20, 10)], 100, Clock(monkeypatch)) == ["10/100, about 3:00 left"]


def test_the_pace_of_late_counts_and_the_last_unit_needs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown = lines([(20, 1)] * 10 + [(20, 10)] * 10 + [(20, 40)], 150, clock)
    assert shown[9] == "10/150, about 46:40 left"
    assert shown[-1] == "110/150, about 1:20 left"
