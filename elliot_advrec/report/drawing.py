"""Matplotlib drawings as inline SVG whose colours and fonts the page decides, so they suit light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa3c81", "#a67c00", "#4d9bd4", "#8a5a2b", "#6b6b6b")
"""Colours told apart with any colour vision (after Okabe & Ito 2008), darkened for white paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
INK, FAINT = "#010a01", "#010a02"
_SERIES = tuple(f"#010b{i:02x}" for i in range(len(PALETTE)))
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Key:
    """One entry of a legend; the page draws it."""

    label: str
    index: int

    @property
    def colour(self) -> str:
        """A CSS colour."""
        return f"var(--s{self.index % len(PALETTE)})"

    @property
    def shape(self) -> str:
        """Path of the marker in a box of 10 by 10."""
        return _SHAPES[MARKERS[marker_of(self.index)]]


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure with what stands above and below it."""

    title: str
    svg: Markup
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """Panels of one kind, their common legend and caption."""

    caption: str
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()


_SHAPES = {
    "o": "M5 1.5a3.5 3.5 0 1 0 .01 0z",
    "s": "M2 2h6v6h-6z",
    "^": "M5 1.2L9 8.5H1z",
    "D": "M5 .8L9.2 5 5 9.2 .8 5z",
    "v": "M5 8.8L9 1.5H1z",
    "P": "M3.6 1h2.8v2.6H9v2.8H6.4V9H3.6V6.4H1V3.6h2.6z",
    "X": "M1 2.6L2.6 1 5 3.4 7.4 1 9 2.6 6.6 5 9 7.4 7.4 9 5 6.6 2.6 9 1 7.4 3.4 5z",
    "<": "M1.2 5L8.5 1v8z",
}


def marker_of(index: int) -> int:
    """Marker of a series: another one for each colour, and another again when the colours start over."""
    return (index + index // len(PALETTE)) % len(MARKERS)


def look(index: int) -> dict[str, Any]:
    """Colour, marker and dash of series ``index``, as arguments of ``Axes.plot``."""
    return {
        "color": _SERIES[index % len(PALETTE)],
        "marker": MARKERS[marker_of(index)],
        "linestyle": _DASHES[index % len(_DASHES)],
    }


def draw(
    paint: Callable[[Axes], None],
    label: str,
    *,
    salt: Sequence[object],
    size: tuple[float, float] = (3.5, 2.5),
) -> Markup:
    """An inline SVG of one pair of axes.

    Args:
        paint: draws on the axes; text it writes must be its own, not a user's.
        label: what a screen reader says, plain text.
        salt: tells this drawing's ids from those of every other on the page.
        size: width and height in inches.
    """
    style: Any = {**_STYLE, "svg.hashsalt": repr(tuple(salt))}
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inline(stream.getvalue(), label)


def _inline(svg: str, label: str) -> Markup:
    """Without prologue, metadata, fixed size and repeated ids; colours become the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"/>\n?', "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index(">") + 1 :]
    for index, colour in enumerate(_SERIES):
        body = body.replace(colour, f"var(--s{index})")
    body = body.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    head = f'<svg class="plot" {box.group(0) if box else ""} role="img" aria-label="{escape(label)}">'
    return Markup(head + re.sub(r"\n\s*", "\n", body))
