"""Drawings of filters and detectors: the scores of pictures, and where pictures go."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Document
from elliot_advrec.report.drawing import INK, Key, Panel, Plot, draw, look
from elliot_advrec.report.exhibits import Cell, Shift, Suspicion
from elliot_advrec.report.guard_curves import COLOURS
from elliot_advrec.report.guarded import KNOWLEDGE
from elliot_advrec.report.labels import attack_at, bare, count, name_of
from elliot_advrec.report.scatters import Arrays, absent, cloud

_BARS = (6, 30)
"""Fewest and most bars of a histogram; in between twice the root of the smallest number of pictures."""
_SKEWED = 20
"""How many times its median the largest score must be for a logarithmic axis."""
_GROUPS = {
    "clean": 0,
    "filtered": 4,
    **{name: key.index for name, key in COLOURS.items() if name in KNOWLEDGE},
}
"""Colours by what a picture is: those of attackers are the same in all drawings."""


def suspicion_plot(document: Document, arrays: Arrays) -> tuple[Plot | None, list[str]]:
    """Histograms of a detector's scores, one panel an attack on a defense; and why any is left out."""
    grouped: dict[tuple[object, ...], list[Suspicion]] = {}
    missing = []
    for exhibit in document.exhibits.suspicion:
        trouble = absent([exhibit.clean, exhibit.attacked], arrays) or _unlike_scores(exhibit, arrays)
        if trouble:
            missing.append(trouble)
        else:
            grouped.setdefault(_of(exhibit), []).append(exhibit)
    panels = [_histogram(document, some, arrays) for some in grouped.values()]
    names = ("clean", *dict.fromkeys(e.knowledge for some in grouped.values() for e in some if e.knowledge))
    caption = (
        "Scores of the detector: clean test pictures (filled) and attacked ones as 8-bit files, by what the "
        "attacker knows. Dashed: the threshold; pictures to its right are flagged."
    )
    return (Plot(caption, tuple(panels), _keys(names)) if panels else None), missing


def _histogram(document: Document, some: Sequence[Suspicion], arrays: Arrays) -> Panel:
    clean = arrays[some[0].clean].astype(float)
    attacked = {one.knowledge or "": arrays[one.attacked].astype(float) for one in some}
    series = {"clean": clean, **attacked} if len(clean) else attacked
    threshold = some[0].threshold
    bars = round(2 * math.sqrt(min(map(len, series.values()))))
    bars = min(max(bars, _BARS[0]), _BARS[1])
    edges, logarithmic = _edges(np.concatenate([*series.values()]), threshold, bars)

    def paint(axes: Axes) -> None:
        for name, values in series.items():
            share = 100 * np.histogram(values, edges)[0] / len(values)
            style = look(_GROUPS.get(name, 7))
            if name == "clean":
                axes.stairs(share, edges, fill=True, color=style["color"], alpha=0.35)
            else:
                axes.stairs(share, edges, color=style["color"], linestyle=style["linestyle"], linewidth=1.4)
        axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        if logarithmic:
            axes.set_xscale("log")
        axes.set(xlabel="score", ylabel="share of pictures (%)")

    title = _title(document, some[0])
    sizes = [f"{plain(name) or 'attacked'} {count(len(values))}" for name, values in series.items()]
    svg = draw(paint, f"{title}: scores of the detector", salt=("suspicion", *_of(some[0])))
    return Panel(title, svg, "n: " + ", ".join(sizes))


def _edges(values: np.ndarray, threshold: float, bars: int) -> tuple[np.ndarray, bool]:
    """Edges of the bars, one of them the threshold, and whether they are even in the logarithm."""
    low, high = min(float(values.min()), threshold), max(float(values.max()), threshold)
    logarithmic = low > 0 and high > _SKEWED * float(np.median(values))
    if logarithmic:
        low, high, at = np.log(low), np.log(high), np.log(threshold)
    else:
        at = threshold
    width = (high - low) / bars or 1.0
    # No bar holds pictures on both sides of the threshold.
    below, above = math.ceil((at - low) / width - 1e-9), math.ceil((high - at) / width - 1e-9)
    edges = at + width * np.arange(-max(below, 1), max(above, 1) + 1)
    edges = np.exp(edges) if logarithmic else edges
    edges[0], edges[-1] = min(edges[0], values.min()), max(edges[-1], values.max())
    return edges, logarithmic


def _unlike_scores(exhibit: Suspicion, arrays: Arrays) -> str:
    clean, attacked = arrays[exhibit.clean], arrays[exhibit.attacked]
    right = clean.ndim == attacked.ndim == 1 and len(attacked)
    if right and np.isfinite(clean).all() and np.isfinite(attacked).all():
        return ""
    return f"The scores of {name_of(exhibit.defense)} under {_attack(exhibit)} are no list of numbers."


def shift_plot(document: Document, arrays: Arrays) -> tuple[Plot | None, list[str]]:
    """One t-SNE map a defense and threat: pictures clean, filtered, and attacked; and why any is left out."""
    panels, missing, names = [], [], dict[str, None]()
    for exhibit in document.exhibits.shifts:
        trouble = absent([exhibit.points, exhibit.labels], arrays) or _misshapen(exhibit, arrays)
        if trouble:
            missing.append(trouble)
            continue
        names.update(dict.fromkeys(exhibit.groups))
        panels.append(_map(document, exhibit, arrays))
    caption = (
        "t-SNE of what the extractor makes of attacked items' pictures: clean ones without the defense, the "
        "same ones filtered, and attacked ones as the shop shows them, by what the attacker knows."
    )
    return (Plot(caption, tuple(panels), _keys(tuple(names))) if panels else None), missing


def _map(document: Document, exhibit: Shift, arrays: Arrays) -> Panel:
    labels = arrays[exhibit.labels]
    names = np.array([exhibit.groups[int(label)] for label in labels], dtype=object)
    title = _title(document, exhibit)
    svg = draw(
        lambda axes: cloud(
            axes, arrays[exhibit.points], names, {key.label: key for key in _keys(exhibit.groups)}
        ),
        f"{title}: t-SNE of clean, filtered and attacked pictures",
        salt=("shift", *_of(exhibit)),
        size=(3.3, 3.1),
    )
    sizes = [f"{plain(name)} {count((names == name).sum())}" for name in exhibit.groups]
    refused = [
        f"{plain(name)} {count(n)}" for name, n in zip(exhibit.groups, exhibit.refused, strict=True) if n
    ]
    note = ", ".join(sizes) + (f"; refused, and so not shown: {', '.join(refused)}" if refused else "")
    return Panel(title, svg, note)


def _misshapen(exhibit: Shift, arrays: Arrays) -> str:
    points, labels = arrays[exhibit.points], arrays[exhibit.labels]
    right = points.ndim == 2 and points.shape[1] == 2 and labels.shape == points.shape[:1] and len(points) > 0
    right = right and len(exhibit.refused) == len(exhibit.groups) and labels.min() >= 0
    right = right and labels.max() < len(exhibit.groups) and labels.dtype.kind in "iu"
    return "" if right else f"The t-SNE arrays of {name_of(exhibit.defense)} do not fit together."


def _keys(names: Sequence[str]) -> tuple[Key, ...]:
    return tuple(Key(name, index) for name, index in _GROUPS.items() if name in names)


def _of(exhibit: Cell) -> tuple[object, ...]:
    """What the attackers of one panel have in common."""
    where = (exhibit.defense, exhibit.threat, exhibit.recommender, exhibit.norm, exhibit.seed)
    return *where, bare(exhibit.attack), exhibit.steps, exhibit.eps


def _attack(exhibit: Cell) -> str:
    return attack_at(bare(exhibit.attack), exhibit.steps, exhibit.eps, exhibit.norm)


def _title(document: Document, exhibit: Cell) -> str:
    """Defense and attack, and of the rest what tells this panel from others."""
    seeds = len(document.seeds) > 1
    parts = [name_of(exhibit.defense)]
    parts += [name_of(exhibit.threat)] if exhibit.threat is not None else []
    parts += [name_of(exhibit.recommender)] if exhibit.recommender is not None else []
    parts += [_attack(exhibit)] + ([f"seed {exhibit.seed}"] if seeds else [])
    return " · ".join(parts)
