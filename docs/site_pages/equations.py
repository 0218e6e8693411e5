"""Equations in plain characters; ``_{...}`` and ``^{...}`` become subscripts and superscripts.

No script runs, and as plain text they read too.
"""

from __future__ import annotations

import html
import re

FENCE = re.compile(r"^```equation\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LETTER = re.compile(r"(?<![A-Za-z0-9'&])([A-Za-z])(?![A-Za-z0-9])")
_LOWERED = re.compile(r"_\{([^{}]*)\}")
_RAISED = re.compile(r"\^\{([^{}]*)\}")


def rendered(markdown: str) -> str:
    """The page with every block fenced as ``equation`` as HTML."""
    return FENCE.sub(lambda block: to_html(block.group(1)), markdown)


def to_html(text: str) -> str:
    """One line of HTML for each line of an equation; letters that stand alone are in italics."""
    lines = [_line(line) for line in text.strip("\n").split("\n")]
    # A blank line would end the block for Markdown.
    return '<div class="equation">' + "<br>".join(lines) + "</div>"


def _line(line: str) -> str:
    escaped = html.escape(line, quote=False)
    slanted = _LETTER.sub(r"<i>\1</i>", escaped)
    lowered = _LOWERED.sub(r"<sub>\1</sub>", slanted)
    # Asterisks and underscores that are left are characters, not emphasis.
    return _RAISED.sub(r"<sup>\1</sup>", lowered).replace("*", "&#42;").replace("_", "&#95;")
