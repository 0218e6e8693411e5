"""BSON as far as Pinterest's boards and pins use it: documents, text, numbers, lists and object ids."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError

MAX_DOCUMENT = 1 << 26
"""Bytes of the longest document that is read; MongoDB itself stops at a quarter of it."""
_INT32, _INT64, _DOUBLE = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<d")


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """Every document of a file of concatenated ones (as ``mongodump`` writes), one at a time.

    Raises:
        UserError: no such file, or bytes that are no such document; names the offset.
    """
    existing(path, folder=False)
    offset = 0
    with path.open("rb") as stream:
        while head := stream.read(4):
            length = _INT32.unpack(head)[0] if len(head) == 4 else 0
            body = stream.read(length - 4) if 5 <= length <= MAX_DOCUMENT else b""
            try:
                if len(body) != length - 4 or body[-1] != 0:
                    raise ValueError("it is cut off or has no length")
                yield _document(head + body, 0)[0]
            except (ValueError, struct.error, IndexError, RecursionError) as error:
                raise UserError(
                    f"no BSON document begins at byte {offset} ({error})",
                    where=str(path),
                    remedy="unpack the archive again",
                ) from error
            offset += length


def _document(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """The document that begins at byte ``at``, and the byte behind it."""
    end = at + _INT32.unpack_from(data, at)[0]
    if not at + 5 <= end <= len(data):
        raise ValueError("an inner length leads out of it")
    at += 4
    found: dict[str, Any] = {}
    while data[at]:
        kind, stop = data[at], data.index(0, at + 1)
        name = data[at + 1 : stop].decode("utf-8")
        found[name], at = _value(data, kind, stop + 1)
    if at + 1 != end:
        raise ValueError("an inner length is wrong")
    return found, end


def _value(data: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind == 0x02:
        length = _INT32.unpack_from(data, at)[0]
        stop = at + 4 + length
        if length < 1 or stop > len(data):
            raise ValueError("the length of a text leads out of it")
        return data[at + 4 : stop - 1].decode("utf-8"), stop
    if kind == 0x03:
        return _document(data, at)
    if kind == 0x04:
        found, stop = _document(data, at)
        return list(found.values()), stop
    if kind == 0x07:
        if at + 12 > len(data):
            raise ValueError("an id is cut off")
        return data[at : at + 12].hex(), at + 12
    if kind == 0x01:
        return _DOUBLE.unpack_from(data, at)[0], at + 8
    if kind == 0x08:
        return bool(data[at]), at + 1
    if kind == 0x0A:
        return None, at
    if kind == 0x10:
        return _INT32.unpack_from(data, at)[0], at + 4
    if kind in (0x09, 0x12):
        return _INT64.unpack_from(data, at)[0], at + 8
    raise ValueError(f"a value of type {kind:#04x} is not known here")
