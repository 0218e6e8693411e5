"""The budget at which defenses compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.success_rules import RATE, ROUNDED


def strongest_common(
    pool: Pool, defenses: Iterable[str | None], where: Mapping[str, object]
) -> tuple[float | None, str | None]:
    """The eps (and its norm) of the strongest attack that all defenses met: there worst cases compare.

    That is the largest eps at which success is not clearly weaker than at another: an attack that fails does
    not speak for all because its budget is the largest.

    Args:
        pool: all cells.
        defenses: those that were never attacked do not count.
        where: metric, threat and whatever else the cells are to have.
    """
    attacked = [
        {(c.key.norm or "", c.key.eps) for c in pool.select(defense=d, **where) if c.key.eps}
        for d in defenses
    ]
    common = set.intersection(*(sizes for sizes in attacked if sizes)) if any(attacked) else set()
    # At eps 1 there is no bound: baselines that show another picture stand there.
    bounded = {size for size in common if (size[1] or 0) < 1} or common
    linf = {size for size in bounded if size[0] != "l2"} or bounded

    if where.get("metric") in (RATE, ROUNDED):
        linf = _not_clearly_weaker(pool, linf, where) or linf
    best = max(linf, key=lambda size: size[1] or 0, default=None)
    return (None, None) if best is None else (best[1], best[0] or None)


def _not_clearly_weaker(
    pool: Pool, sizes: set[tuple[str, float]], where: Mapping[str, object]
) -> set[tuple[str, float]]:
    """Those whose strongest attack has no interval below that of the strongest of all."""
    strongest = {}
    for norm, eps in sizes:
        cells = pool.select(**{**where, "eps": eps, "norm": norm or None})
        if cells:
            strongest[norm, eps] = max(cells, key=lambda cell: cell.value)
    if not strongest:
        return set()
    best = max(strongest.values(), key=lambda cell: cell.value)
    least = best.value if best.low is None else best.low
    return {size for size, c in strongest.items() if (c.value if c.high is None else c.high) >= least}
