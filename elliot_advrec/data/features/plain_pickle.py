"""Pickles of plain values, interpreted without executing anything.

A pickle is a program; Python's own loader imports and calls what it names. This reader knows only the opcodes
that build numbers, text, bytes and containers, and gives meaning of its own to the few names that NumPy's
arrays need. It never imports or calls a name, so the worst that a hostile file can do is to be refused. Long
byte strings are not read but left in the file, as ``Blob``s.
"""

from __future__ import annotations

import io
import pickletools
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
    finished,
    made,
    of,
)

LEFT = 256
"""Byte strings this long or longer stay in the file."""


def load(stream: BinaryIO) -> Any:
    """The value that the pickle at the stream's place holds: built-in types, NumPy arrays and ``Blob``s.

    Object arrays come as (nested) lists, sets and their kin as sets, mappings as dicts; text of Python 2 is
    read as Latin-1.

    Args:
        stream: a seekable binary file.

    Raises:
        Refused: an opcode or name that no plain value needs, which it names; a damaged or cut off pickle.
    """
    try:
        return finished(_Machine(stream).run())
    except Refused:
        raise
    except Exception as error:  # a damaged program fails wherever it stops making sense
        raise Refused(f"damaged pickle at byte {stream.tell()} ({type(error).__name__}: {error})") from error


class _Machine:
    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        here = stream.tell()
        self.size = stream.seek(0, io.SEEK_END)
        stream.seek(here)
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        while code := self.stream.read(1):
            if code == b".":
                return self.stack.pop()
            step = _STEPS.get(code[0])
            if step is None:
                known = next((op.name for op in pickletools.opcodes if ord(op.code) == code[0]), repr(code))
                raise Refused(f"the opcode {known} is not one of plain data")
            step(self)
        raise Refused("the pickle is cut off")

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
        items = self.marked()
        self.stack.append(kind(items))

    def extend(self) -> None:
        items = self.marked()
        of(list, self.stack[-1]).extend(items)

    def append(self) -> None:
        item = self.stack.pop()
        of(list, self.stack[-1]).append(item)

    def dict(self) -> None:
        items = self.marked()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def set_items(self) -> None:
        items = self.marked()
        of(dict, self.stack[-1]).update(zip(items[::2], items[1::2], strict=True))

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        of(dict, self.stack[-1])[key] = value

    def add_items(self) -> None:
        items = self.marked()
        of(set, self.stack[-1]).update(items)

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
        self.stack.append(made(name.meaning, given, self.stream))

    def build(self) -> None:
        state, target = of(tuple, self.stack.pop()), self.stack[-1]
        if isinstance(target, Dtype):
            target.set_order(state)
        elif isinstance(target, Array):
            target.value = content_of(state, self.stream)
        else:
            raise Refused("it sets the state of what is no array")


_STRINGS: dict[str, tuple[int, type[Any] | None]] = {  # None: text or bytes of Python 2
    "BINSTRING": (4, None), "SHORT_BINSTRING": (1, None),
    "BINBYTES": (4, bytes), "SHORT_BINBYTES": (1, bytes), "BINBYTES8": (8, bytes),
    "BINUNICODE": (4, str), "SHORT_BINUNICODE": (1, str), "BINUNICODE8": (8, str),
}  # fmt: skip
_VALUES = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "UNICODE")
_WITHOUT_ARGUMENT: dict[str, Callable[[_Machine], Any]] = {
    "NONE": lambda m: m.stack.append(None),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "EMPTY_SET": lambda m: m.stack.append(set()),
    "MARK": _Machine.mark,
    "POP": lambda m: m.stack.pop(),
    "POP_MARK": _Machine.marked,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "LIST": lambda m: m.collect(list),
    "DICT": _Machine.dict,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "FROZENSET": lambda m: m.collect(set),
    "TUPLE": lambda m: m.collect(tuple),
    "TUPLE1": lambda m: m.tuple(1),
    "TUPLE2": lambda m: m.tuple(2),
    "TUPLE3": lambda m: m.tuple(3),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
_WITH_ARGUMENT: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda m, version: None,
    "FRAME": lambda m, length: None,
    **dict.fromkeys(_VALUES, lambda m, value: m.stack.append(value)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.stack.append(m.memo[int(place)])),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, place: m.put(int(place))),
    "GLOBAL": _Machine.name,
}


def _step(op: pickletools.OpcodeInfo) -> Callable[[_Machine], Any] | None:
    """What one opcode does; None where plain data has no use for it."""
    if op.name in _STRINGS:
        width, kind = _STRINGS[op.name]
        return lambda machine: machine.string(width, kind)
    if op.name in _WITH_ARGUMENT and op.arg is not None:
        act, read = _WITH_ARGUMENT[op.name], op.arg.reader
        return lambda machine: act(machine, read(machine.stream))
    return _WITHOUT_ARGUMENT.get(op.name)


_STEPS = {ord(op.code): step for op in pickletools.opcodes if (step := _step(op)) is not None}
