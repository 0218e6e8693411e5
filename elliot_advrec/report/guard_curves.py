"""Curves of filters and detectors: success over eps, by what attackers know of them."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from elliot_advrec.report.curves import Curve, paint_rates
from elliot_advrec.report.document import Document
from elliot_advrec.report.drawing import Key, Panel, Plot, draw
from elliot_advrec.report.guarded import KNOWLEDGE, SUCCESS, cases, guards, scopes, standing
from elliot_advrec.report.labels import EPS, listed, name_of
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.success_rules import headline_rules, place, rule_name

_WITHOUT, _TRIED = "without it", "best of several tries"
COLOURS = {name: Key(name, i) for i, name in enumerate((_WITHOUT, *KNOWLEDGE, _TRIED))}
"""By whose curve it is; those of attackers are the same in all drawings."""


def knowledge_plots(document: Document, pool: Pool) -> list[Plot]:
    """Success of the strongest attack over eps, a curve for what attackers know, a panel a defense."""
    known, rules = guards(document), headline_rules(pool)
    seen, plots = scopes(pool, *SUCCESS.all), []
    for recommenders, threat, norm in seen:
        where = place((recommenders[0], threat, norm), rules[threat])
        panels = tuple(
            panel
            for name, guarded in known.items()
            if (panel := _over_eps(pool, {**where, "defense": name}, guarded.over)) is not None
        )
        said = [rule_name(rules[threat]), name_of(threat), listed([name_of(one) for one in recommenders])]
        caption = (
            f"Success rate of the strongest attack over {EPS}, by what the attacker knows of the defense "
            f"({', '.join(part for part in said if part)}). Bands are 95 % intervals."
        )
        plots += [Plot(caption, panels, tuple(COLOURS.values()))] if panels else []
    return plots


def _over_eps(pool: Pool, where: Mapping[str, object], over: str | None) -> Panel | None:
    found = cases(pool, SUCCESS, where)
    # At eps 1 another picture is shown: no budget to draw a curve over.
    sizes = sorted({eps for *_, eps in found if eps is not None and eps < 1})
    if len(sizes) < 2:
        return None
    curves: list[Curve] = [(key, []) for key in COLOURS.values()]
    for eps in sizes:
        one = standing(pool, SUCCESS, where, over, [case for case in found if case[2] == eps])
        numbers = {} if one is None else {**one.known, _WITHOUT: one.without, _TRIED: one.tried}
        for key, points in curves:
            cell = numbers.get(key.label)
            points += [] if cell is None else [(eps, cell)]
    drawn = [curve for curve in curves if curve[1]]

    def paint(axes: Axes) -> None:
        paint_rates(axes, drawn, None, sizes)
        axes.set(xlabel=f"{EPS} ({name_of(str(where['norm']))}, pixels in [0,1])", ylabel="success rate (%)")

    title = name_of(str(where["defense"]))
    salt = ("knowledge", *where.items())
    return Panel(title, draw(paint, f"{title}: success rate by knowledge", salt=salt))
