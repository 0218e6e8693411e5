"""The budget at which defenses compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elliot_advrec.report.pooling import Pool


def largest_common(
    pool: Pool, defenses: Iterable[str | None], where: Mapping[str, object]
) -> tuple[float | None, str | None]:
    """The largest eps at which every defense was attacked, and its norm: only there do worst cases compare.

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
    best = max(linf, key=lambda size: size[1] or 0, default=None)
    return (None, None) if best is None else (best[1], best[0] or None)
