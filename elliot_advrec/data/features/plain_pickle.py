"""Pickles of plain values, interpreted without executing anything.

A pickle is a program; Python's own loader imports and calls what it names. This reader knows only the opcodes
that build numbers, text, bytes and containers, and gives meaning of its own to the few names that NumPy's
arrays need. It never imports or calls a name, so the worst that a hostile file can do is to be refused. Long
byte strings are not read but left in the file, as ``Blob``s.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from elliot_advrec.data.features.plain_machine import Machine
from elliot_advrec.data.features.plain_values import Refused, finished, keys


def load(stream: BinaryIO) -> Any:
    """The value that the pickle at the stream's place holds: built-in types, NumPy arrays and ``Blob``s.

    Object arrays come as (nested) lists, tuples that hold containers as lists, sets and their kin as sets,
    mappings as dicts; text of Python 2 is read as Latin-1. Keys and members of sets are numbers, text or
    bytes.

    Args:
        stream: a seekable binary file.

    Raises:
        Refused: an opcode or name that no plain value needs, which it names; a damaged or cut off pickle; one
            that would unpack to more than its own size.
    """
    try:
        return finished(_run(stream))
    except Refused:
        raise
    except Exception as error:  # a damaged program fails wherever it stops making sense
        raise Refused(f"damaged pickle at byte {stream.tell()} ({type(error).__name__}: {error})") from error


def _run(stream: BinaryIO) -> Any:
    machine = Machine(stream)
    while code := stream.read(1):
        if code == b".":
            return machine.stack.pop()
        step = _STEPS.get(code[0])
        if step is None:
            known = next((op.name for op in pickletools.opcodes if ord(op.code) == code[0]), repr(code))
            raise Refused(f"the opcode {known} is not one of plain data")
        step(machine)
    raise Refused("the pickle is cut off")


_STRINGS: dict[str, tuple[int, type[Any] | None]] = {  # None: text or bytes of Python 2
    "BINSTRING": (4, None), "SHORT_BINSTRING": (1, None),
    "BINBYTES": (4, bytes), "SHORT_BINBYTES": (1, bytes), "BINBYTES8": (8, bytes),
    "BINUNICODE": (4, str), "SHORT_BINUNICODE": (1, str), "BINUNICODE8": (8, str),
}  # fmt: skip
_VALUES = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "UNICODE")
_WITHOUT_ARGUMENT: dict[str, Callable[[Machine], Any]] = {
    "NONE": lambda m: m.stack.append(None),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "EMPTY_SET": lambda m: m.stack.append(set()),
    "MARK": Machine.mark,
    "POP": lambda m: m.stack.pop(),
    "POP_MARK": Machine.marked,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "APPEND": Machine.append,
    "APPENDS": Machine.extend,
    "LIST": lambda m: m.collect(list),
    "DICT": Machine.dict,
    "SETITEM": Machine.set_item,
    "SETITEMS": Machine.set_items,
    "ADDITEMS": Machine.add_items,
    "FROZENSET": lambda m: m.collect(lambda items: set(keys(items))),
    "TUPLE": lambda m: m.collect(tuple),
    "TUPLE1": lambda m: m.tuple(1),
    "TUPLE2": lambda m: m.tuple(2),
    "TUPLE3": lambda m: m.tuple(3),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "STACK_GLOBAL": Machine.stack_name,
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
}
_WITH_ARGUMENT: dict[str, Callable[[Machine, Any], Any]] = {
    "PROTO": lambda m, version: None,
    "FRAME": lambda m, length: None,
    **dict.fromkeys(_VALUES, lambda m, value: m.stack.append(value)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.stack.append(m.memo[int(place)])),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, place: m.put(int(place))),
    "GLOBAL": Machine.name,
}


def _step(op: pickletools.OpcodeInfo) -> Callable[[Machine], Any] | None:
    """What one opcode does; None where plain data has no use for it."""
    if op.name in _STRINGS:
        width, kind = _STRINGS[op.name]
        return lambda machine: machine.string(width, kind)
    if op.name in _WITH_ARGUMENT and op.arg is not None:
        act, read = _WITH_ARGUMENT[op.name], op.arg.reader
        return lambda machine: act(machine, read(machine.stream))
    return _WITHOUT_ARGUMENT.get(op.name)


_STEPS = {ord(op.code): step for op in pickletools.opcodes if (step := _step(op)) is not None}
