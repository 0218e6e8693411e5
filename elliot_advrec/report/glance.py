"""The experiment in one small table: what each defense costs and what it buys."""

from __future__ import annotations

from collections.abc import Mapping

from elliot_advrec.report.accuracy import ADVERSARIAL
from elliot_advrec.report.budgets import strongest_common
from elliot_advrec.report.compared import by
from elliot_advrec.report.entries import EMPTY, mean, percent
from elliot_advrec.report.guarded import KNOWLEDGE, OBLIVIOUS, SUCCESS
from elliot_advrec.report.labels import EPS, budget, name_of, undefended_first
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.ranking import MAIN, cutoffs
from elliot_advrec.report.success_rules import RATE, Rule, headline_rules, rule_name
from elliot_advrec.report.table import Block, Column, Entry, Table, table


def glance_table(pool: Pool) -> Table | None:
    """One row a defense: worst-case success at the largest common eps, accuracy, and clean HR and nDCG.

    Where there are several threats each has its rows, and the last three are said with the first.
    """
    rules = headline_rules(pool)
    # Beside filters and detectors everything is of pictures in 8 bits, as in their own section.
    metrics = SUCCESS.all if pool.select(knowledge=KNOWLEDGE) else [RATE]
    defenses = undefended_first(
        d for d in pool.distinct("defense", metric=[RATE, "accuracy"]) if d is not None
    )
    k = max(cutoffs(pool), default=None)
    recommender = next(
        (
            r
            for r in pool.distinct("recommender", metric=list(MAIN), k=k)
            if pool.select(recommender=r, metric=RATE)
        ),
        next(iter(pool.distinct("recommender", metric=list(MAIN), k=k)), None),
    )
    blocks, sizes = [], []
    for number, threat in enumerate(rules or [None]):
        where: dict[str, object] = {}
        if threat in rules:
            rank_min, length = rules[threat]
            where = {"threat": threat, "rank_min": rank_min, "k": length}
        eps, norm = strongest_common(pool, defenses, {**where, "metric": metrics[0]})
        sizes.append(eps)
        rows = []
        for defense in defenses:
            clean = pool.one(metric="accuracy", defense=defense, attack=None)
            robust = min(
                pool.select(metric=ADVERSARIAL, defense=defense), key=lambda c: c.value, default=None
            )
            lists = [
                mean(pool.one(metric=m, defense=defense, attack=None, k=k, recommender=recommender))
                for m in MAIN
            ]
            once = [percent(clean), percent(robust), *lists] if not number else [EMPTY] * 4
            worst = _worst(pool, defense, metrics, {**where, "eps": eps, "norm": norm})
            rows.append((Entry(name_of(defense)), *worst, *once))
        said = [name_of(threat), rule_name(rules.get(threat, (None, None)))]
        said += [] if eps is None else [f"{EPS} {budget(eps)}"]
        blocks.append(Block(", ".join(filter(None, said)) if len(rules) > 1 else "", tuple(rows)))
    size = "" if len(rules) > 1 or sizes[0] is None else f", {EPS} {budget(sizes[0])}"
    columns = [
        Column("Defense", numeric=False),
        Column("rate (%)", f"Strongest attack{size}"),
        Column("attack", f"Strongest attack{size}"),
        Column("clean", "Accuracy (%)"),
        Column("attacked", "Accuracy (%)"),
        *(Column(f"{m}@{k}", f"{name_of(recommender)}, clean") for m in MAIN),
    ]
    return table("At a glance", columns, blocks, (_note(rules),))


def _note(rules: Mapping[str | None, Rule]) -> str:
    ranks = {rank for rank, _ in rules.values() if rank is not None}
    if len(rules) != 1 or not ranks:
        return ""
    return f"Success: the attacked item reaches rank {ranks.pop()} or better in its target's list."


def _worst(
    pool: Pool, defense: str | None, metrics: list[str], where: Mapping[str, object]
) -> tuple[Entry, Entry]:
    """Rate and name of the strongest attack.

    Of a filter or a detector it is the strongest by anyone, with as many tries as there are; those alone who
    do not know of it say nothing of its worst case.
    """
    found = pool.select(metric=metrics, defense=defense, **where) if where["eps"] is not None else []
    worst = SUCCESS.worst(found)
    if worst is None:
        return EMPTY, EMPTY
    if {cell.key.knowledge for cell in found} == {OBLIVIOUS}:
        return EMPTY, Entry("oblivious ones only")
    return percent(worst), Entry(by(worst))
