"""Values that no setting expects, and damage to bytes and lines."""

from __future__ import annotations

import random
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e-300, 1e308, -1e308, float("nan"), float("inf"),
    float("-inf"), 2**31, 2**63, 2**64, 10**40, -(10**40), 10**400,
    "", " ", "nan", ".nan", "none", "null", "true", "1e400", "8/255", "8/0", "0/0", "-1/255", "1/3/5", "½",
    "٣", "a" * 5_000, "../../../../etc/passwd", "/dev/zero", "/dev/stdin",
    "/proc/self/mem", "~root", "${HOME}",
    "${NOT_SET_ANYWHERE}", "${", "{0}", "{1}", "%s%n", "\x1b[2J\x1b]0;gone\x07", "\u202egnp.exe",
    "a\nb", "a\tb", "[/red][bold]x", "<script>alert(1)</script>",
    "'; drop table items; --", "名前", "\ud83d\ude00",
    "a\x00b", "at", "pgd", "synthetic", [], {}, [[]], [{}], {"": ""}, [None], [1, [2, [3, [4]]]],
    {"preset": "pgd"}, {"type": "fgsm", "preset": "pgd"}, {"preset": {"preset": "pgd"}}, [0.03, "8/255"],
    ["none"] * 200, {"a": {"b": {"c": {"d": {}}}}}, {"epochs": -1}, list(range(3_000)),
)  # fmt: skip
"""In place of any value of a recipe."""

CELLS: tuple[str, ...] = (
    "", " ", "nan", "inf", "-inf", "1e309", "-1", "0", "5.5", "9" * 400, "0x10", "1_000", "½", "NULL", "None",
    "\x1b[2J", "<b>", "../../etc/passwd", "/etc/passwd", "a" * 70_000, "\ufeff", "\x00", "\u2028", "'",
    '"', '"""', "a,b", "a|b", "[[", "\\", "\\t", "名前", "\udcff",
)  # fmt: skip
"""In place of any cell of a table."""


def damaged(data: bytes, chance: random.Random) -> bytes:
    """``data`` cut off, with changed, lost, added or doubled bytes, or something else altogether."""
    how = chance.randrange(8)
    size = len(data)
    place = chance.randrange(size + 1)
    if how == 0:
        return data[:place]
    if how == 1:
        return data[place:]
    if how == 2:
        length = chance.choice([1, 2, 16, 512])
        return data[:place] + chance.randbytes(length) + data[place:]
    if how == 3:
        return data[:place] + data[place + chance.choice([1, 2, 16, 512]) :]
    if how == 4:
        return data[:place] + bytes(chance.choice([4, 64, 1024])) + data[place:]
    if how == 5:
        return data + data
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8, 64])):
        if changed:
            # The beginning of a file holds what its reader goes by.
            spot = chance.randrange(min(len(changed), 400) if chance.random() < 0.5 else len(changed))
            changed[spot] = chance.choice([chance.randrange(256), changed[spot] ^ 1, 0, 255])
    return bytes(changed)


def damaged_text(text: str, chance: random.Random, separator: str = "\t") -> bytes:
    """A table with cells or lines that are wrong, or with damaged bytes."""
    how = chance.randrange(6)
    lines = text.split("\n")
    if how == 0:
        return damaged(text.encode("utf-8", "surrogateescape"), chance)
    for _ in range(chance.choice([1, 1, 3, 20])):
        at = chance.randrange(len(lines))
        if how in (1, 2):
            cells = lines[at].split(separator)
            cells[chance.randrange(len(cells))] = chance.choice(CELLS)
            lines[at] = separator.join(cells)
        elif how == 3:
            lines.insert(
                at, chance.choice([lines[chance.randrange(len(lines))], "", separator, separator * 9])
            )
        elif how == 4 and len(lines) > 1:
            del lines[at]
        else:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            lines[at] = chance.choice(
                [lines[at], lines[at] + chance.choice(CELLS), lines[at].replace(" ", "\t")]
            )
    ending = chance.choice(["\n", "\n", "\n", "\r\n", "\r"])
    encoding = chance.choice(["utf-8", "utf-8", "utf-8", "utf-8", "utf-16", "latin-1"])
    return ending.join(lines).encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
