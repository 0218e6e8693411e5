"""The few things beside built-in values that plain pickles hold: NumPy's arrays, scalars and types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

RECONSTRUCT, SCALAR, DTYPE, NDARRAY, ENCODE, BYTES, SET, MAPPING, LIST = range(9)
NAMES = {
    **{
        f"numpy.{core}.multiarray {name}": meaning
        for core in ("core", "_core")
        for name, meaning in (("_reconstruct", RECONSTRUCT), ("scalar", SCALAR))
    },
    **{
        f"{module} {name}": meaning
        for module in ("__builtin__", "builtins")
        for name, meaning in (("set", SET), ("frozenset", SET), ("list", LIST), ("dict", MAPPING))
    },
    "numpy dtype": DTYPE,
    "numpy ndarray": NDARRAY,
    "_codecs encode": ENCODE,  # how protocols before 3 write bytes, and the next an empty string of them
    "__builtin__ bytes": BYTES,
    "collections OrderedDict": MAPPING,
    "collections defaultdict": MAPPING,
}
"""The names that are given a meaning, as 'module name'; none is ever looked up."""
MAX_SIDES = 64  # NumPy's own limit
Spend = Callable[[int], None]
"""Takes the number of elements or bytes that are made; raises ``Refused`` where they are too many."""
_KINDS = re.compile(r"[<>|=]?(?:O8?|b1|\?|[iu][1248]|f[248]|c(?:8|16)|[SUV]\d{1,4})")


class Refused(ValueError):  # noqa: N818
    """The pickle does what no plain value needs, or is damaged."""


@dataclass(frozen=True)
class Blob:
    """Bytes that were left in the file.

    Args:
        offset: of the first, from the file's beginning.
        length: how many.
    """

    offset: int
    length: int

    def read(self, stream: BinaryIO) -> bytes:
        """The bytes themselves; moves the stream."""
        stream.seek(self.offset)
        return stream.read(self.length)


@dataclass(frozen=True)
class Name:
    """A name in place of what it would have been looked up to."""

    meaning: int


@dataclass
class Dtype:
    """An array's type; its byte order may come later."""

    text: str

    def set_order(self, state: tuple[Any, ...]) -> None:
        """Take over the byte order of the state that follows a type."""
        _, order, *fields = state
        if any(field is not None for field in fields[:3]):
            raise Refused("it holds an array of records")
        if order in ("<", ">") and self.text[0] not in "<>|O":
            self.text = order + self.text.lstrip("=")

    def numpy(self) -> np.dtype[Any]:
        """The type itself."""
        return np.dtype("O" if "O" in self.text else self.text)


@dataclass
class Array:
    """An array whose content comes after it was announced."""

    value: Any = None


def of(kind: type[Any], value: Any) -> Any:
    """``value``, which must be of that kind."""
    if not isinstance(value, kind):
        raise Refused(f"a {type(value).__name__} stands where a {kind.__name__} must")
    return value


def keys(values: list[Any]) -> list[Any]:
    """``values``, which must be fit for keys: a tuple takes for ever to hash where it holds itself often."""
    for value in values:
        if not isinstance(value, str | bytes | int | float | None):
            raise Refused(f"a {type(value).__name__} stands where a key must")
    return values


def made(meaning: int, given: tuple[Any, ...], stream: BinaryIO, spend: Spend) -> Any:
    """What a call of one of the known names stands for; ``spend`` counts what it makes."""
    if meaning == RECONSTRUCT:
        return Array()
    if meaning == DTYPE:
        text = given[0].decode("latin-1") if isinstance(given[0], bytes) else of(str, given[0])
        if not _KINDS.fullmatch(text):
            raise Refused(f"it holds an array of '{text[:20]}'")
        return Dtype(text)
    if meaning == SCALAR:
        kind = of(Dtype, given[0]).numpy()
        if kind.hasobject:
            raise Refused("it holds a scalar object")
        return np.frombuffer(_bytes(given[1], stream, spend), kind, 1)[0].item()
    if meaning == ENCODE:
        spend(len(of(str, given[0])))
        return given[0].encode("latin-1")
    if meaning == BYTES and not given:
        return b""
    if meaning == SET:
        spend(len(of(list, given[0])) if given else 0)
        return set(keys(given[0])) if given else set()
    if meaning == MAPPING:
        pairs = given[0] if given and isinstance(given[0], list) else []
        spend(len(pairs))
        keys([of(tuple, pair)[0] for pair in pairs])
        return dict(pairs)
    raise Refused("it calls what is no constructor of plain data")


def content_of(state: tuple[Any, ...], stream: BinaryIO, spend: Spend) -> Any:
    """An array from its state: version, shape, dtype, column order, bytes or objects."""
    _, shape, dtype, columns, content = state
    sides = [of(int, side) for side in of(tuple, shape)]
    if any(side < 0 for side in sides) or len(sides) > MAX_SIDES:
        raise Refused(f"an array has {len(sides)} sides, or a negative one")
    kind = of(Dtype, dtype).numpy()
    if kind.hasobject:
        objects = of(list, content)
        if len(objects) != math.prod(sides):
            raise Refused(f"an array of {sides} holds {len(objects)} objects")
        spend(sum(math.prod(sides[:depth]) for depth in range(1, len(sides))) + len(objects))
        return objects if len(sides) == 1 else _nested(objects, sides)
    data = _bytes(content, stream, spend)
    if len(data) != math.prod(sides) * kind.itemsize:
        raise Refused(f"an array of {sides} holds {len(data)} bytes")
    return np.frombuffer(data, kind).reshape(sides, order="F" if columns else "C")


def _nested(objects: list[Any], sides: list[int]) -> Any:
    if not sides:
        return objects[0]
    step = math.prod(sides[1:])
    return [
        _nested(objects[at * step : (at + 1) * step], sides[1:]) if len(sides) > 1 else objects[at]
        for at in range(sides[0])
    ]


def _bytes(content: Any, stream: BinaryIO, spend: Spend) -> bytes:
    if isinstance(content, Blob):
        spend(content.length)
        here = stream.tell()
        data = content.read(stream)
        stream.seek(here)
        return data
    spend(len(content) if isinstance(content, str) else 0)
    return content.encode("latin-1") if isinstance(content, str) else cast(bytes, of(bytes, content))


def finished(value: Any) -> Any:
    """The value with the arrays in place of what announced them, however deep they lie; no recursion."""
    top = [value]
    pending: list[Any] = [top]
    seen: set[int] = set()
    lists: dict[int, tuple[tuple[Any, ...], list[Any]]] = {}  # a tuple that is there often becomes one list
    while pending:
        box = pending.pop()
        if id(box) in seen:
            continue
        seen.add(id(box))
        for key, inner in list(box.items() if isinstance(box, dict) else enumerate(box)):
            if isinstance(inner, Array):
                box[key] = inner = inner.value
            if isinstance(inner, Name | Dtype):
                raise Refused("it holds a name instead of a value")
            if isinstance(inner, tuple) and any(
                isinstance(part, Array | list | dict | tuple) for part in inner
            ):
                box[key] = inner = lists.setdefault(id(inner), (inner, list(inner)))[1]
            if isinstance(inner, list | dict):
                pending.append(inner)
    return top[0]
