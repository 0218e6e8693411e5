"""A table before it is drawn: the terminal and the page draw the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elliot_advrec.report.labels import DASH


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Attributes:
        text: what it says.
        sub: small print under it, such as an interval.
        strong: set in bold.
        mark: a superscript that a note explains.
    """

    text: str
    sub: str = ""
    strong: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """Head of a column; neighbouring columns of one non-empty ``span`` share that head above theirs."""

    head: str
    span: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Block:
    """Rows that belong together under one label, such as one defense's."""

    label: str
    rows: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True)
class Table:
    """Title, columns, blocks of rows, and notes below.

    Raises:
        ValueError: a row is not as long as the columns.
    """

    title: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for block in self.blocks:
            for row in block.rows:
                if len(row) != len(self.columns):
                    raise ValueError(f"a row of {len(row)} in a table of {len(self.columns)} columns")

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Heads above the columns with the number of columns each covers; empty where no column has one."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and column.span and found[-1][0] == column.span:
                found[-1] = (column.span, found[-1][1] + 1)
            else:
                found.append((column.span, 1))
        return found if any(label for label, _ in found) else []


def table(
    title: str, columns: Sequence[Column], blocks: Sequence[Block], notes: Sequence[str] = ()
) -> Table | None:
    """The table, without columns in which no row has anything; None if no rows are left."""
    kept = [block for block in blocks if block.rows]
    rows = [row for block in kept for row in block.rows]
    if not rows:
        return None
    used = [
        i
        for i, c in enumerate(columns)
        if not c.numeric or any(row[i].text not in ("", DASH) for row in rows)
    ]
    if not any(columns[i].numeric for i in used):
        return None
    return Table(
        title,
        tuple(columns[i] for i in used),
        tuple(Block(b.label, tuple(tuple(row[i] for i in used) for row in b.rows)) for b in kept),
        tuple(note for note in notes if note),
    )
