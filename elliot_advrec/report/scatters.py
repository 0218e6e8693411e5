"""Clouds of points: t-SNE of embeddings, and cosine distance before against after an attack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import linregress

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Document
from elliot_advrec.report.drawing import INK, MARKERS, PALETTE, Key, Panel, Plot, draw, look, marker_of
from elliot_advrec.report.exhibits import Distances, Projection
from elliot_advrec.report.labels import attack_at, count, name_of, number

_VECTOR_POINTS = 1500
_SPARSE = 150
"""Points of a map up to which they are drawn large."""
_CATEGORIES = 2 * len(PALETTE)
Arrays = Mapping[str, np.ndarray]


def absent(names: list[str], arrays: Arrays) -> str:
    """A sentence on the first of ``names`` that has no array; empty when all are there."""
    lost = [name for name in names if name not in arrays]
    return f"The array '{plain(lost[0])}' is not in exhibits.npz." if lost else ""


def tsne_plot(document: Document, arrays: Arrays) -> tuple[Plot | None, list[str]]:
    """One panel a projection, coloured by category; and why any is left out."""
    shown, missing = [], []
    for projection in document.exhibits.tsne:
        trouble = absent([projection.points, projection.labels], arrays) or _misshapen(projection, arrays)
        if trouble:
            missing.append(trouble)
        else:
            shown.append(projection)
    if not shown:
        return None, missing
    named = Counter(
        name
        for p in shown
        for name in (_category(p, int(label)) for label in arrays[p.labels])
        if name is not None
    )
    keys = {name: Key(plain(name), i) for i, (name, _) in enumerate(named.most_common(_CATEGORIES))}
    seeds = len({p.seed for p in shown}) > 1
    panels = tuple(
        Panel(
            name_of(p.defense) + (f", seed {p.seed}" if seeds else ""),
            draw(
                lambda axes, p=p: cloud(axes, arrays[p.points], _names(p, arrays), keys),  # type: ignore[misc]
                f"t-SNE of embeddings, {name_of(p.defense)}",
                salt=("tsne", p.defense, p.seed),
                size=(3.3, 3.1),
            ),
            f"{count(len(arrays[p.points]))} items",
        )
        for p in shown
    )
    coloured = sum(named[name] for name in keys)
    grey = sum(len(arrays[p.labels]) for p in shown) > coloured
    rest = " Grey: unlabelled items and rarer categories." if grey else ""
    return Plot(
        f"t-SNE of item embeddings, coloured by category.{rest}", panels, tuple(keys.values())
    ), missing


def _misshapen(projection: Projection, arrays: Arrays) -> str:
    points, labels = arrays[projection.points], arrays[projection.labels]
    right = points.ndim == 2 and points.shape[1] == 2 and labels.shape == points.shape[:1] and len(points) > 0
    return "" if right else f"The t-SNE arrays of {name_of(projection.defense)} do not fit together."


def _category(projection: Projection, label: int) -> str | None:
    return projection.categories[label] if 0 <= label < len(projection.categories) else None


def _names(projection: Projection, arrays: Arrays) -> np.ndarray:
    named = [_category(projection, int(label)) or "" for label in arrays[projection.labels]]
    return np.array(named, dtype=object)


def cloud(axes: Axes, points: np.ndarray, names: np.ndarray, keys: Mapping[str, Key]) -> None:
    """(M, 2) points by group: those whose name (M,) has a key in its colour, the others grey."""
    many = len(points) > _VECTOR_POINTS
    groups = [(None, ~np.isin(names.astype(str), [str(name) for name in keys]))]
    groups += [(key, names == name) for name, key in keys.items()]  # type: ignore[misc]
    for key, chosen in groups:
        # Pixels inside an SVG cannot take the page's colours: a large cloud carries its own.
        plain_colour = PALETTE[key.index % len(PALETTE)] if key else "#9a9a9a"
        axes.scatter(
            points[chosen, 0],
            points[chosen, 1],
            s=5 if many else 9 if len(points) > _SPARSE else 16,
            c=plain_colour if many or key is None else look(key.index)["color"],
            marker=MARKERS[marker_of(key.index)] if key else "o",
            alpha=0.8,
            linewidths=0,
            rasterized=many,
        )
    axes.set(xticks=[], yticks=[])
    axes.margins(0.03)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", adjustable="datalim")
    axes.figure.set_dpi(200)


def distance_plot(document: Document, arrays: Arrays) -> tuple[Plot | None, list[str]]:
    """One panel an attack: distance to the target before (x) against after (y), with the fitted line."""
    panels, missing = [], []
    seeds = len({d.seed for d in document.exhibits.distances}) > 1
    for exhibit in document.exhibits.distances:
        trouble = absent([exhibit.before, exhibit.after], arrays)
        if not trouble and (
            arrays[exhibit.before].ndim != 1
            or arrays[exhibit.before].shape != arrays[exhibit.after].shape
            or not len(arrays[exhibit.before])
        ):
            trouble = f"The distances before and after {_cell(exhibit)} do not pair up."
        if trouble:
            missing.append(trouble)
        else:
            panels.append(_distance_panel(exhibit, arrays[exhibit.before], arrays[exhibit.after], seeds))
    caption = (
        "Cosine distance of the attacked item to its target before and after the attack, one point a pair. "
        "Solid: least-squares line. Dashed: unchanged."
    )
    return (Plot(caption, tuple(panels)) if panels else None), missing


def _cell(exhibit: Distances) -> str:
    return (
        f"{name_of(exhibit.defense)}, {attack_at(exhibit.attack, exhibit.steps, exhibit.eps, exhibit.norm)}"
    )


def _distance_panel(exhibit: Distances, before: np.ndarray, after: np.ndarray, seeds: bool) -> Panel:
    before, after = before.astype(float), after.astype(float)
    fit = linregress(before, after) if len(before) > 1 and np.ptp(before) > 0 else None
    top = float(max(before.max(), after.max()))
    low = min(0.0, float(min(before.min(), after.min())))

    def paint(axes: Axes) -> None:
        axes.plot([low, top], [low, top], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        colour = look(0)["color"]
        raster = len(before) > _VECTOR_POINTS
        axes.scatter(
            before,
            after,
            s=9,
            c=PALETTE[0] if raster else colour,
            alpha=0.55,
            linewidths=0,
            rasterized=raster,
        )
        if fit is not None:
            ends = np.array([before.min(), before.max()])
            axes.plot(ends, fit.intercept + fit.slope * ends, color=look(1)["color"], linewidth=1.8)
        axes.set(xlabel="distance before", ylabel="distance after")

    title = _cell(exhibit) + (f", seed {exhibit.seed}" if seeds else "")
    line = (
        f"after = {number(fit.intercept)} + {number(fit.slope)} × before, r = {number(fit.rvalue, 2)}"
        if fit
        else ""
    )
    svg = draw(paint, f"{title}: cosine distance before and after", salt=("distance", title))
    return Panel(title, svg, ", ".join(part for part in (line, f"n = {count(len(before))}") if part))
