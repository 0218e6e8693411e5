"""What commands print on standard output."""

from __future__ import annotations

import os

from rich.console import Console

from elliot_advrec.errors import plain

WIDE = 140  # columns of tables in files and pipes


def printer() -> Console:
    """Standard output; a file or a pipe has no width of its own, so tables get room there."""
    console = Console()
    roomy = not console.is_terminal and "COLUMNS" not in os.environ
    return Console(width=WIDE) if roomy else console


def line(console: Console, message: str) -> None:
    """A line as it is: names in it come from recipes, and are no markup."""
    console.print(plain(message), markup=False, highlight=False, soft_wrap=True)
