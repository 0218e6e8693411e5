"""What the opcodes of a pickle of plain values do, with no more memory than the file's own size."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from elliot_advrec.data.features.plain_values import (
    NAMES,
    Array,
    Blob,
    Dtype,
    Name,
    Refused,
    content_of,
    keys,
    made,
    of,
)

LEFT = 256
"""Byte strings this long or longer stay in the file."""


class Machine:
    """The stack, the marks and the memo of one pickle, and what opcodes do to them.

    What is made anew from values that are there already (sets, mappings, arrays) is counted: all of it
    together may not be more than the file's own bytes, for an honest file holds every element once. So no
    file unpacks to much more than it weighs, however often it refers to the same list.

    Args:
        stream: a seekable binary file, at the pickle's first byte.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        here = stream.tell()
        self.size = stream.seek(0, io.SEEK_END)
        stream.seek(here)
        self.left = self.size
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def spend(self, count: int) -> None:
        """Count elements or bytes that are made anew.

        Raises:
            Refused: more than the file has bytes.
        """
        self.left -= count
        if self.left < 0:
            raise Refused("it unpacks to far more than it holds")

    def string(self, width: int, kind: type[Any] | None) -> None:
        """Push a string whose length stands before it; long bytes stay in the file."""
        length = int.from_bytes(self._exactly(width), "little")
        offset = self.stream.tell()
        if length > self.size - offset:
            raise Refused(f"the pickle is cut off: {length} bytes are announced at byte {offset}")
        if kind is not str and length >= LEFT:
            self.stream.seek(length, io.SEEK_CUR)
            self.stack.append(Blob(offset, length))
            return
        data = self._exactly(length)
        if kind is str:
            self.stack.append(data.decode("utf-8", "surrogatepass"))
        else:
            self.stack.append(data if kind is bytes else data.decode("latin-1"))

    def _exactly(self, length: int) -> bytes:
        data = self.stream.read(length)
        if len(data) != length:
            raise Refused("the pickle is cut off")
        return data

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def collect(self, kind: Callable[[list[Any]], Any]) -> None:
        items = self.marked()  # first, for it puts another stack in place
        self.stack.append(kind(items))

    def extend(self) -> None:
        items = self.marked()
        of(list, self.stack[-1]).extend(items)

    def append(self) -> None:
        item = self.stack.pop()
        of(list, self.stack[-1]).append(item)

    def dict(self) -> None:
        items = self.marked()
        self.stack.append(dict(zip(keys(items[::2]), items[1::2], strict=True)))

    def set_items(self) -> None:
        items = self.marked()
        of(dict, self.stack[-1]).update(zip(keys(items[::2]), items[1::2], strict=True))

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        keys([key])
        of(dict, self.stack[-1])[key] = value

    def add_items(self) -> None:
        items = self.marked()
        of(set, self.stack[-1]).update(keys(items))

    def tuple(self, count: int) -> None:
        items = [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(items[::-1]))

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def name(self, named: str) -> None:
        meaning = NAMES.get(named)
        if meaning is None:
            raise Refused(f"it names '{named.replace(' ', '.')}', which no plain data needs")
        self.stack.append(Name(meaning))

    def stack_name(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(f"{module} {name}")

    def reduce(self) -> None:
        given, name = of(tuple, self.stack.pop()), of(Name, self.stack.pop())
        self.stack.append(made(name.meaning, given, self.stream, self.spend))

    def build(self) -> None:
        state, target = of(tuple, self.stack.pop()), self.stack[-1]
        if isinstance(target, Dtype):
            target.set_order(state)
        elif isinstance(target, Array):
            target.value = content_of(state, self.stream, self.spend)
        else:
            raise Refused("it sets the state of what is no array")
