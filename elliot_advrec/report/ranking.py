"""Recommendation quality on the clean and on the attacked catalog, undefended beside defended."""

from __future__ import annotations

from elliot_advrec.report.entries import EMPTY, mean
from elliot_advrec.report.labels import attack_at, bare, name_of, signed, undefended_first
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.table import Block, Column, Entry, Table, table

MAIN = ("HR", "nDCG")
Condition = tuple[str | None, str | None, int | None, float | None, str | None]
"""Threat, attack, steps, eps and norm; all None for untouched images."""


def list_metrics(pool: Pool) -> list[str]:
    """Metrics of lists; what threats measure has list lengths too, but no value without an attack."""
    cells = [cell for cell in pool.select(attack=None) if cell.key.k is not None]
    return list(dict.fromkeys(cell.key.metric for cell in cells))


def cutoffs(pool: Pool) -> list[int]:
    """List lengths that were evaluated, ascending."""
    return sorted(k for k in pool.distinct("k", metric=list_metrics(pool)) if k is not None)


def ranking_tables(pool: Pool) -> list[Table]:
    """HR and nDCG, one table a cutoff; then, where there are any, the other list metrics.

    Where nothing was attacked or defended there is nothing to compare with: one table a cutoff has a row a
    recommender, and all metrics.
    """
    lists = pool.select(k=cutoffs(pool), metric=list_metrics(pool))
    if all(cell.key.attack is None and cell.key.defense in (None, "none") for cell in lists):
        return [one for one in (_overview(pool, k) for k in cutoffs(pool)) if one is not None]
    made = [_comparison(pool, k) for k in cutoffs(pool)] + [_others(pool, k) for k in cutoffs(pool)]
    return [one for one in made if one is not None]


def _overview(pool: Pool, k: int) -> Table | None:
    metrics = list_metrics(pool)
    rows = tuple(
        (
            Entry(name_of(recommender)),
            *(mean(pool.one(recommender=recommender, metric=metric, k=k)) for metric in metrics),
        )
        for recommender in pool.distinct("recommender", k=k)
    )
    columns = [Column("Recommender", numeric=False), *(Column(name_of(metric)) for metric in metrics)]
    note = "Small print: 95 % interval, or spread over seeds; metrics of all lists together have no interval."
    return table(f"Recommendation quality at {k}", columns, [Block("", rows)], (note,))


def _conditions(pool: Pool, **where: object) -> list[Condition]:
    """What the catalog held, untouched images first."""
    found = dict.fromkeys(
        (c.key.threat, c.key.attack, c.key.steps, c.key.eps, c.key.norm) for c in pool.select(**where)
    )
    return sorted(found, key=lambda condition: condition[1] is not None)


def _catalog(condition: Condition, several: bool) -> str:
    threat, attack, steps, eps, norm = condition
    if attack is None:
        return "clean"
    named = attack_at(attack, steps, eps, norm)
    return f"{name_of(threat)}: {named}" if several else named


def _several(pool: Pool) -> bool:
    return len([threat for threat in pool.distinct("threat", metric=list_metrics(pool)) if threat]) > 1


def _without(condition: Condition) -> Condition:
    """The attack as it is run where nobody has anything to know."""
    threat, attack, *rest = condition
    return threat, None if attack is None else bare(attack), *rest  # type: ignore[return-value]


def _get(pool: Pool, condition: Condition, **where: object) -> Pooled | None:
    threat, attack, steps, eps, norm = condition
    return pool.one(threat=threat, attack=attack, steps=steps, eps=eps, norm=norm, **where)


def _difference(a: Pooled | None, b: Pooled | None) -> Entry:
    return EMPTY if a is None or b is None or a is b else Entry(signed(a.value - b.value))


def _comparison(pool: Pool, k: int) -> Table | None:
    metrics = [m for m in MAIN if pool.select(metric=m, k=k)]
    columns = [Column("Images in the catalog", numeric=False)]
    for metric in metrics:
        heads = ("value", "vs clean", "vs undefended")
        columns += [Column(head, f"{metric}@{k}") for head in heads]
    blocks, several = [], _several(pool)
    for recommender in pool.distinct("recommender", metric=metrics, k=k):
        scope = {"recommender": recommender, "k": k}
        for label, defense in _systems(pool, metrics, scope):
            rows = []
            for condition in _conditions(pool, metric=metrics, defense=defense, **scope):
                entries = [Entry(_catalog(condition, several))]
                for metric in metrics:
                    here = _get(pool, condition, metric=metric, defense=defense, **scope)
                    clean = pool.one(metric=metric, defense=defense, attack=None, **scope)
                    undefended = _get(pool, _without(condition), metric=metric, defense="none", **scope)
                    against_none = EMPTY if defense == "none" else _difference(here, undefended)
                    entries += [mean(here), _difference(here, clean), against_none]
                rows.append(tuple(entries))
            blocks.append(Block(label, tuple(rows)))
    note = (
        "vs clean: the same system on untouched images. vs undefended: the same row without the defense. "
        "Small print: 95 % interval, or spread over seeds."
    )
    return table(f"Recommendation quality at {k}", columns, blocks, (note,))


def _systems(pool: Pool, metrics: list[str], scope: dict[str, object]) -> list[tuple[str, str | None]]:
    """Label and defense of each block of one recommender.

    One that sees no images is the same under every defense, and is shown once, without one.
    """
    cells = pool.select(metric=metrics, **scope)
    name = name_of(cells[0].key.recommender)
    defenses = undefended_first(cell.key.defense for cell in cells)
    values = {(cell.key.metric, cell.value) for cell in cells}
    attacked = any(cell.key.attack is not None for cell in cells)
    if defenses == [None] or (len(defenses) > 1 and not attacked and len(values) == len(metrics)):
        return [(name, defenses[0])]
    return [(f"{name} · {name_of(defense)}", defense) for defense in defenses]


def _others(pool: Pool, k: int) -> Table | None:
    metrics = [m for m in list_metrics(pool) if m not in MAIN and pool.select(metric=m, k=k)]
    columns = [
        Column("Images in the catalog", numeric=False),
        *(Column(f"{name_of(m)}@{k}") for m in metrics),
    ]
    blocks, several = [], _several(pool)
    for recommender in pool.distinct("recommender", metric=metrics, k=k):
        scope = {"recommender": recommender, "k": k}
        for label, defense in _systems(pool, metrics, scope):
            rows = tuple(
                (
                    Entry(_catalog(condition, several)),
                    *(mean(_get(pool, condition, metric=m, defense=defense, **scope)) for m in metrics),
                )
                for condition in _conditions(pool, metric=metrics, defense=defense, **scope)
            )
            blocks.append(Block(label, rows))
    return table(f"Other list metrics at {k}", columns, blocks)
