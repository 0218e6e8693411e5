"""Files of one record a line: JSON or the Python literals of the 2014 dumps, plain or gzip, as a stream."""

from __future__ import annotations

import ast
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError

MAX_LINE = 1 << 24
"""Bytes of the longest line that is read; no review comes near it, a file without line breaks does."""
GZIP = b"\x1f\x8b"

# A string literal in either quotes, or a constant that JSON spells otherwise. One without an end goes on to
# the end of the line, which is then refused: to look for another beginning inside would take for ever.
_STRING = r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)"""
_TOKEN = re.compile(rf"[uU]?(?:{_STRING})|\b(?:True|False|None)\b", re.DOTALL)
# A run of strings that hold neither kind of quote nor an escape, with what stands between them.
_PLAIN_RUN = re.compile(rf"""((?:[^'"\\]*'[^'"\\]*')+)|[^'"\\]+|{_STRING}""", re.DOTALL)
_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_STRICT = json.JSONDecoder()
_LOOSE = json.JSONDecoder(strict=False)  # Python's literals may hold tabs


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line) of every line that is not blank; one is held at a time.

    Compression is told by the file's first bytes, not by its name.

    Raises:
        UserError: no such file, a damaged or cut off gzip stream, or a line longer than ``MAX_LINE``.
    """
    existing(path, folder=False)
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP
            unpacked = cast(io.RawIOBase, gzip.GzipFile(fileobj=raw))
            for line in _each(io.BufferedReader(unpacked, 1 << 20) if packed else raw):
                number += 1
                if len(line) == MAX_LINE:
                    raise UserError(
                        f"the line is longer than {MAX_LINE >> 20} MiB",
                        where=f"{path}:{number}",
                        remedy="a file of records holds one a line",
                    )
                if not line.isspace():
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"the gzip stream is damaged or cut off after line {number} ({error})",
            where=str(path),
            remedy="fetch the file again",
        ) from error
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror or error})", where=str(path)) from error


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, record) of every line.

    Raises:
        UserError: as ``lines`` and ``record``.
    """
    for number, line in lines(path):
        yield number, record(line, path, number)


def record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The mapping that one line holds, as JSON or as a Python literal; nothing in it is evaluated.

    Raises:
        UserError: the line is neither, or no mapping; names file and line.
    """
    try:
        # The files of 2014 with Python literals begin every line like this; no JSON does.
        literal = line.startswith(b"{'")
        found = _literal(line, path, number) if literal else _STRICT.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8 is a ValueError as well
        found = _literal(line, path, number)
    if not isinstance(found, dict):
        raise UserError(f"the line holds a {type(found).__name__}, not a mapping", where=f"{path}:{number}")
    return found


def _each(stream: io.BufferedReader) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE):
        yield line


def _literal(line: bytes, path: Path, number: int) -> Any:
    """A Python literal, translated to JSON where that is exact (several times faster), else by ``ast``."""
    try:
        text = line.decode("utf-8").strip()
        for pattern in (_PLAIN_RUN, _TOKEN):
            try:
                return _LOOSE.decode(pattern.sub(_as_json, text))
            except ValueError:
                continue
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        shown = line[:60].decode("utf-8", "replace").strip()
        raise UserError(
            f"the line is neither JSON nor a Python literal: {shown!r}",
            where=f"{path}:{number}",
            remedy="each line holds one record, such as {'asin': '0123456789'}",
        ) from error


def _as_json(match: re.Match[str]) -> str:
    token = match.group()
    if match.lastindex:
        return token.replace("'", '"')
    if token[-1] not in "'\"":
        return _CONSTANTS.get(token, token)
    if "\\" in token:
        return json.dumps(ast.literal_eval(token))
    token = token.lstrip("uU")
    return '"' + token[1:-1].replace('"', '\\"') + '"'
