"""The experiment in one small table: what each defense costs and what it buys."""

from __future__ import annotations

from elliot_advrec.report.accuracy import ADVERSARIAL
from elliot_advrec.report.entries import EMPTY, mean, percent
from elliot_advrec.report.labels import EPS, attack_name, budget, name_of, undefended_first
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.ranking import MAIN, cutoffs
from elliot_advrec.report.success import RATE, headline_rank
from elliot_advrec.report.table import Block, Column, Entry, Table, table


def glance_table(pool: Pool) -> Table | None:
    """One row a defense: worst-case success at the largest common eps, accuracy, and clean HR and nDCG."""
    rank = headline_rank(pool)
    defenses = undefended_first(
        d for d in pool.distinct("defense", metric=[RATE, "accuracy"]) if d is not None
    )
    eps, norm = _largest_common(pool, defenses, rank)
    k = max(cutoffs(pool), default=None)
    recommender = next(
        (
            r
            for r in pool.distinct("recommender", metric=list(MAIN), k=k)
            if pool.select(recommender=r, metric=RATE)
        ),
        next(iter(pool.distinct("recommender", metric=list(MAIN), k=k)), None),
    )
    rows = []
    for defense in defenses:
        worst = _worst(pool, defense, rank, eps, norm)
        name = EMPTY if worst is None else Entry(attack_name(worst.key.attack, worst.key.steps))
        clean = pool.one(metric="accuracy", defense=defense, attack=None)
        robust = min(pool.select(metric=ADVERSARIAL, defense=defense), key=lambda c: c.value, default=None)
        lists = [
            mean(pool.one(metric=m, defense=defense, attack=None, k=k, recommender=recommender)) for m in MAIN
        ]
        rows.append((Entry(name_of(defense)), percent(worst), name, percent(clean), percent(robust), *lists))
    size = "" if eps is None else f", {EPS} {budget(eps)}"
    columns = [
        Column("Defense", numeric=False),
        Column("rate (%)", f"Strongest attack{size}"),
        Column("attack", f"Strongest attack{size}"),
        Column("clean", "Accuracy (%)"),
        Column("attacked", "Accuracy (%)"),
        *(Column(f"{m}@{k}", f"{name_of(recommender)}, clean") for m in MAIN),
    ]
    note = (
        ""
        if rank is None
        else f"Success: the attacked item reaches rank {rank} or better in its target's list."
    )
    return table("At a glance", columns, [Block("", tuple(rows))], (note,))


def _largest_common(
    pool: Pool, defenses: list[str | None], rank: int | None
) -> tuple[float | None, str | None]:
    """The largest eps at which every defense was attacked: only there do worst cases compare."""
    attacked = [
        {
            (c.key.norm or "", c.key.eps)
            for c in pool.select(metric=RATE, defense=d, rank_min=rank)
            if c.key.eps
        }
        for d in defenses
    ]
    common = set.intersection(*(sizes for sizes in attacked if sizes)) if any(attacked) else set()
    linf = {size for size in common if size[0] != "l2"} or common
    best = max(linf, key=lambda size: size[1] or 0, default=None)
    return (None, None) if best is None else (best[1], best[0] or None)


def _worst(
    pool: Pool, defense: str | None, rank: int | None, eps: float | None, norm: str | None
) -> Pooled | None:
    found = (
        pool.select(metric=RATE, defense=defense, rank_min=rank, eps=eps, norm=norm)
        if eps is not None
        else []
    )
    return max(found, key=lambda cell: cell.value, default=None)
