"""The tables of a run for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from elliot_advrec.errors import plain
from elliot_advrec.report.caveats import caveats
from elliot_advrec.report.document import parse
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.sections import table_sections
from elliot_advrec.report.table import Entry, Table

_PAGE_ONLY = {"visibility", "rounding"}
"""Sections whose tables are long; they are in report.html."""
_LONGEST = 40
"""Rows of a table that is still printed; the last block of a longer table of costs holds their sum."""


def terminal(results: Mapping[str, Any]) -> Group:
    """Notes and main tables of ``results`` as a rich renderable.

    Raises:
        UserError: ``results`` is not in the results format.
    """
    document = parse(results)
    pool = Pool(document.rows)
    parts: list[RenderableType] = [Text(plain(document.name), style="bold")]
    parts += [Padding(Text(f"• {note}", style="yellow"), (0, 0, 0, 1)) for note in caveats(document, pool)]
    for section in table_sections(document, pool):
        if section.anchor in _PAGE_ONLY:
            continue
        shown = section.tables if section.brief is None else section.brief
        parts += [_shown(one, sums=section.anchor == "cost") for one in shown]
        parts += [Padding(Text(section.lead, style="dim"), (0, 0, 1, 0))] if shown and section.lead else []
        parts += [Text(f"{section.title}: {reason}", style="dim") for reason in section.missing]
    return Group(*parts)


def _shown(source: Table, *, sums: bool) -> RenderableType:
    rows = sum(len(block.rows) for block in source.blocks)
    if rows <= _LONGEST:
        return _table(source)
    if sums:
        return _table(replace(source, blocks=source.blocks[-1:]))
    return Text(f"{source.title}: {rows} rows, in report.html", style="dim")


def _table(source: Table) -> RichTable:
    # Names come from recipes and catalogs: as Text they are never read as markup.
    drawn = RichTable(
        title=Text(source.title, style="bold"),
        title_justify="left",
        caption=Text(" ".join(source.notes), style="dim"),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in source.columns:
        head = f"{column.span}\n{column.head}" if column.span else column.head
        # Where the terminal is narrow, numbers are broken over lines, never cut off.
        drawn.add_column(
            Text(head, overflow="fold"), justify="right" if column.numeric else "left", overflow="fold"
        )
    for position, block in enumerate(source.blocks):
        if block.label:
            drawn.add_row(Text(block.label, style="italic"), *[""] * (len(source.columns) - 1))
        for row in block.rows:
            drawn.add_row(*(_entry(entry) for entry in row))
        if position + 1 < len(source.blocks):
            drawn.add_section()
    return drawn


def _entry(entry: Entry) -> Text:
    text = Text(entry.text + entry.mark, style="bold" if entry.strong else "")
    return text.append(f"\n{entry.sub}", style="dim not bold") if entry.sub else text
