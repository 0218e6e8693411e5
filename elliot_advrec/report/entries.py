"""Pooled numbers as table cells."""

from __future__ import annotations

from elliot_advrec.report.labels import DASH, PLUS_MINUS, number, percent_digits
from elliot_advrec.report.pooling import Pooled
from elliot_advrec.report.table import Entry

EMPTY = Entry(DASH)


def percent(cell: Pooled | None, *, strong: bool = False, mark: str = "") -> Entry:
    """A share in percent with its 95 % interval, or its spread over seeds, underneath."""
    if cell is None:
        return EMPTY
    digits = percent_digits(cell.n)
    sub = ""
    if cell.low is not None and cell.high is not None:
        sub = f"{number(100 * cell.low, digits)}{DASH}{number(100 * cell.high, digits)}"
    elif cell.spread is not None:
        sub = f"{PLUS_MINUS} {number(100 * cell.spread, digits)}"
    return Entry(number(100 * cell.value, digits), sub, strong, mark)


def mean(cell: Pooled | None, digits: int = 3, *, interval: bool = True) -> Entry:
    """A mean with its spread over seeds, or (with ``interval``) the interval it came with, underneath."""
    if cell is None:
        return EMPTY
    sub = ""
    if cell.spread is not None:
        sub = f"{PLUS_MINUS} {number(cell.spread, digits)}"
    elif interval and cell.low is not None and cell.high is not None:
        sub = f"{number(cell.low, digits)}{DASH}{number(cell.high, digits)}"
    return Entry(number(cell.value, digits), sub)
