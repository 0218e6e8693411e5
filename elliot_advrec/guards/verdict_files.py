"""Verdicts as files: a table of tab-separated values, or JSON; written a line at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from elliot_advrec.files import atomic
from elliot_advrec.guards.verdicts import Verdict

COLUMNS = ("name", "score", "threshold", "flagged", "error")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def write(path: Path, form: str, head: Mapping[str, Any], verdicts: Iterable[Verdict]) -> None:
    """Write all of ``verdicts``, atomically.

    Args:
        path: the file.
        form: one of ``FORMS``.
        head: what is said of them together; tables have no place for it.
        verdicts: read once.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        FORMS[form](stream, head, verdicts)


def escaped(text: str) -> str:
    r"""``text`` without anything that could end a cell or a line, or steer a terminal.

    Tab, line breaks and backslash become ``\t``, ``\n``, ``\r`` and ``\\``; a byte that is not UTF-8 becomes
    ``\xNN``, and any other character that cannot be printed ``\uNNNN`` or ``\UNNNNNNNN``.
    """
    return "".join(_SHORT.get(mark, mark if mark.isprintable() else _code(mark)) for mark in text)


def _code(mark: str) -> str:
    number = ord(mark)
    if 0xDC80 <= number <= 0xDCFF:  # how Python holds a byte of a file name that is not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _table(stream: TextIO, head: Mapping[str, Any], verdicts: Iterable[Verdict]) -> None:
    stream.write("\t".join(COLUMNS) + "\n")
    for each in verdicts:
        flagged = "true" if each.flagged else "false"
        cells = [escaped(each.name), _number(each.score), _number(each.threshold), flagged]
        stream.write("\t".join([*cells, escaped(each.error or "")]) + "\n")


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _json(stream: TextIO, head: Mapping[str, Any], verdicts: Iterable[Verdict]) -> None:
    """As ``json.dumps`` would write it, one verdict a line; half of a surrogate pair stays an escape."""
    stream.write(json.dumps(head, indent=1)[:-2] + ',\n "verdicts": [')
    for line in _separated(verdicts):
        stream.write(line)
    stream.write("\n ]\n}\n")


def _separated(verdicts: Iterable[Verdict]) -> Iterator[str]:
    before = "\n"
    for each in verdicts:
        yield f"{before}  {json.dumps({name: getattr(each, name) for name in COLUMNS})}"
        before = ",\n"


FORMS: dict[str, Callable[[TextIO, Mapping[str, Any], Iterable[Verdict]], None]] = {
    "tsv": _table,
    "json": _json,
}
"""What a file of verdicts may be, by its extension."""
