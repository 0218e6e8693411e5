"""Whether the numbers of a run are possible: what failed, and all that was looked at."""

from __future__ import annotations

from collections import Counter

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Check, Document
from elliot_advrec.report.table import Block, Column, Entry, Table, table

_READ = "A check that failed says that a number should not be believed before the reason is known."


def failed_table(document: Document) -> Table | None:
    """What failed; where nothing did, how many checks there were of each kind. None without any."""
    if not document.checks:
        return None
    failed = [check for check in document.checks if not check.passed]
    if failed:
        return _table(f"{len(failed)} of {len(document.checks)} checks failed", failed)
    counts = Counter(check.check for check in document.checks)
    rows = tuple((Entry(name), Entry(str(count))) for name, count in counts.items())
    columns = [Column("Check", numeric=False), Column("Passed")]
    return table(f"All {len(document.checks)} checks passed", columns, [Block("", rows)], (_READ,))


def checks_table(document: Document) -> Table | None:
    """All checks with the numbers behind them."""
    return _table("All checks", document.checks) if document.checks else None


def _table(title: str, checks: list[Check] | tuple[Check, ...]) -> Table:
    columns = [Column(head, numeric=False) for head in ("Check", "Looked at", "Outcome", "Numbers")]
    rows = tuple(
        (
            Entry(check.check),
            Entry(plain(check.on)),
            Entry("passed" if check.passed else "failed", strong=not check.passed),
            Entry(plain(check.detail)),
        )
        for check in checks
    )
    return Table(title, tuple(columns), (Block("", rows),), (_READ,))
