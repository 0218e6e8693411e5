"""Success rate drawn over eps and over steps, one panel a defense, with 95 % bands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from elliot_advrec.report.drawing import FAINT, INK, Key, Panel, Plot, draw, look
from elliot_advrec.report.labels import EPS, attack_at, attack_name, budget, name_of, undefended_first
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.success_rules import RATE, Rule, headline_rules, place, rule_name, scopes, untouched

Curve = tuple[Key, list[tuple[float, Pooled]]]
Where = dict[str, Any]
"""Columns that choose cells."""
Keys = dict[tuple[Any, Any], Key]
"""An attack, by its name and its steps or eps, and how it is drawn."""


def eps_plots(pool: Pool) -> list[Plot]:
    """Success over eps at the headline rank, one plot for each recommender, threat and norm."""
    plots, rules = [], headline_rules(pool)
    for scope in scopes(pool):
        where = place(scope, rules[scope[1]])
        attacks = list(dict.fromkeys((c.key.attack, c.key.steps) for c in pool.select(metric=RATE, **where)))
        keys = {attack: Key(attack_name(*attack), i) for i, attack in enumerate(attacks)}

        def curves(defense: str | None, where: Where = where, keys: Keys = keys) -> list[Curve]:
            found = []
            for (attack, steps), key in keys.items():
                cells = pool.select(metric=RATE, defense=defense, attack=attack, steps=steps, **where)
                found.append((key, sorted(((c.key.eps, c) for c in cells if c.key.eps is not None), key=_x)))
            return found

        panels = _panels(pool, where, curves, f"{EPS} ({name_of(scope[2])}, pixels in [0,1])", False)
        caption = f"Success rate over {EPS}{_scope(pool, scope)}{_rule(rules, scope)}. {_READ}"
        plots.append(Plot(caption, panels, tuple(keys.values())))
    return [plot for plot in plots if plot.panels]


def step_plots(pool: Pool) -> list[Plot]:
    """Success over steps, where an attack was run with several numbers of steps at one eps."""
    plots, rules = [], headline_rules(pool)
    for scope in scopes(pool):
        where = place(scope, rules[scope[1]])
        steps: dict[tuple[str | None, float | None], set[int]] = {}
        for cell in pool.select(metric=RATE, **where):
            if cell.key.steps is not None:
                steps.setdefault((cell.key.attack, cell.key.eps), set()).add(cell.key.steps)
        several = [series for series, found in steps.items() if len(found) > 1]
        keys = {(a, eps): Key(attack_at(a, None, eps), i) for i, (a, eps) in enumerate(several)}

        def curves(defense: str | None, where: Where = where, keys: Keys = keys) -> list[Curve]:
            found = []
            for (attack, eps), key in keys.items():
                cells = pool.select(metric=RATE, defense=defense, attack=attack, eps=eps, **where)
                found.append((key, sorted(((float(c.key.steps or 0), c) for c in cells), key=_x)))
            return found

        panels = _panels(pool, where, curves, "steps", True) if keys else ()
        caption = f"Success rate over the number of steps{_scope(pool, scope)}{_rule(rules, scope)}. {_READ}"
        plots.append(Plot(caption, panels, tuple(keys.values())))
    return [plot for plot in plots if plot.panels]


_READ = "Bands are 95 % intervals; the thin grey line without marks is the untouched image."


def _rule(rules: Mapping[str | None, Rule], scope: Sequence[str | None]) -> str:
    named = rule_name(rules[scope[1]])
    return f", {named}" if named else ""


def _x(point: tuple[float, Pooled]) -> float:
    return point[0]


def _scope(pool: Pool, scope: Sequence[str | None]) -> str:
    several = scopes(pool)
    shown = [
        name_of(value)
        for position, value in enumerate(scope[:2])
        if value is not None and len({other[position] for other in several}) > 1
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _panels(
    pool: Pool, where: Where, curves: Callable[[str | None], list[Curve]], xlabel: str, octaves: bool
) -> tuple[Panel, ...]:
    panels = []
    defenses = undefended_first(pool.distinct("defense", metric=RATE, **where))
    everything = [point for defense in defenses for _, points in curves(defense) for point in points]
    limits = sorted({x for x, _ in everything})
    for defense in defenses:
        drawn = [curve for curve in curves(defense) if curve[1]]
        if not drawn:
            continue
        base = untouched(pool, where, defense)

        def paint(axes: Axes, drawn: list[Curve] = drawn, base: Pooled | None = base) -> None:
            paint_rates(axes, drawn, None if base is None else base.value, limits, octaves)
            axes.set_xlabel(xlabel)
            axes.set_ylabel("success rate (%)")

        title = name_of(defense)
        svg = draw(paint, f"{title}: success rate over {xlabel}", salt=(xlabel, defense, *where.items()))
        panels.append(Panel(title, svg))
    return tuple(panels)


def paint_rates(
    axes: Axes, curves: list[Curve], base: float | None, limits: list[float], octaves: bool = False
) -> None:
    """Rates with their bands over eps or steps, and the level of untouched images."""
    if base is not None:
        axes.axhline(100 * base, color=INK, linestyle=":", linewidth=0.9)
    for key, points in curves:
        x = [at for at, _ in points]
        y = [100 * cell.value for _, cell in points]
        style = look(key.index)
        banded = [
            (at, 100 * c.low, 100 * c.high) for at, c in points if c.low is not None and c.high is not None
        ]
        if len(banded) > 1:
            xs, lows, highs = map(list, zip(*banded, strict=True))
            axes.fill_between(xs, lows, highs, color=style["color"], alpha=0.16, linewidth=0)
        elif banded:
            at, low, high = banded[0]
            axes.vlines(at, low, high, color=style["color"], linewidth=1)
        axes.plot(x, y, clip_on=False, zorder=3, **style)
    if octaves:
        axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    if len(limits) <= 7:
        axes.xaxis.set_major_locator(FixedLocator(limits))
        axes.set_xticks(limits, [f"{x:g}" if octaves else budget(x) for x in limits])
    axes.set_ylim(-2, 102)
    axes.spines["left"].set_bounds(0, 100)
    axes.tick_params(colors=INK)
    axes.grid(axis="x", color=FAINT, alpha=0)
