"""Elliot's files of negative items: a line for each user, ``(user,)`` and the items, separated by tabs."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Sequence
from pathlib import Path

from elliot_advrec.errors import UserError
from elliot_advrec.files import atomic

REMEDY = "a line is (user, item), then the negative items, separated by tabs"


def read_negatives(path: Path) -> tuple[dict[str, list[str]], int]:
    """Read a file as Elliot writes it, ``(user,)``, or as its guide shows it, ``(user, item)``, line by line.

    Returns:
        Negative items of each user, and how many lines were replaced by a later one of the same user.

    Raises:
        UserError: the file cannot be read, or a line names no user.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot be read ({reason})", where=str(path), remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), remedy=REMEDY) from error
    found: dict[str, list[str]] = {}
    lines = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        first, *items = line.rstrip("\r").split("\t")
        user = _user(first.strip())
        if not user:
            raise UserError(f"no user in '{first}'", where=f"{path}, line {number}", remedy=REMEDY)
        found[user] = [item.strip() for item in items if item.strip()]
        lines += 1
    if not found:
        raise UserError("holds no negative items", where=str(path), remedy=REMEDY)
    return found, lines - len(found)


def write_negatives(path: Path, users: Sequence[str | int], items: Iterable[Iterable[str]]) -> None:
    """Write the file as Elliot does, with numbers for users where ids are numbers.

    Raises:
        UserError: the file cannot be written.
    """
    rows = zip(users, items, strict=True)
    with atomic(path) as temporary:
        text = "".join(f"{(user,)}\t" + "\t".join(row) + "\n" for user, row in rows)
        temporary.write_text(text, "utf-8")


def _user(field: str) -> str:
    """The first of a Python tuple; unquoted ids, such as ``(A1, B2)``, are taken as they are."""
    if not (field.startswith("(") and field.endswith(")")):
        return ""
    try:
        value = literal_eval(field)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = field[1:-1].split(",")
    if isinstance(value, tuple | list):
        value = value[0] if value else ""
    return str(value).strip()
