"""Recommendation quality on the clean and on the attacked catalog, undefended beside defended."""

from __future__ import annotations

from elliot_advrec.report.entries import EMPTY, mean
from elliot_advrec.report.labels import attack_at, name_of, signed, undefended_first
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.table import Block, Column, Entry, Table, table

MAIN = ("HR", "nDCG")
Condition = tuple[str | None, int | None, float | None, str | None]


def cutoffs(pool: Pool) -> list[int]:
    """List lengths that were evaluated, ascending."""
    return sorted(k for k in pool.distinct("k") if k is not None)


def ranking_tables(pool: Pool) -> list[Table]:
    """HR and nDCG, one table a cutoff; then, where there are any, the other list metrics."""
    made = [_comparison(pool, k) for k in cutoffs(pool)] + [_others(pool, k) for k in cutoffs(pool)]
    return [one for one in made if one is not None]


def _conditions(pool: Pool, **where: object) -> list[Condition]:
    """What the catalog held, untouched images first."""
    found = dict.fromkeys((c.key.attack, c.key.steps, c.key.eps, c.key.norm) for c in pool.select(**where))
    return sorted(found, key=lambda condition: condition[0] is not None)


def _catalog(condition: Condition) -> str:
    return "clean" if condition[0] is None else attack_at(*condition)


def _get(pool: Pool, condition: Condition, **where: object) -> Pooled | None:
    attack, steps, eps, norm = condition
    return pool.one(attack=attack, steps=steps, eps=eps, norm=norm, **where)


def _difference(a: Pooled | None, b: Pooled | None) -> Entry:
    return EMPTY if a is None or b is None or a is b else Entry(signed(a.value - b.value))


def _comparison(pool: Pool, k: int) -> Table | None:
    metrics = [m for m in MAIN if pool.select(metric=m, k=k)]
    columns = [Column("Images in the catalog", numeric=False)]
    for metric in metrics:
        heads = ("value", "vs clean", "vs undefended")
        columns += [Column(head, f"{metric}@{k}") for head in heads]
    blocks = []
    for recommender in pool.distinct("recommender", metric=metrics, k=k):
        scope = {"recommender": recommender, "k": k}
        for defense in undefended_first(pool.distinct("defense", metric=metrics, **scope)):
            rows = []
            for condition in _conditions(pool, metric=metrics, defense=defense, **scope):
                entries = [Entry(_catalog(condition))]
                for metric in metrics:
                    here = _get(pool, condition, metric=metric, defense=defense, **scope)
                    clean = pool.one(metric=metric, defense=defense, attack=None, **scope)
                    undefended = _get(pool, condition, metric=metric, defense="none", **scope)
                    against_none = EMPTY if defense == "none" else _difference(here, undefended)
                    entries += [mean(here), _difference(here, clean), against_none]
                rows.append(tuple(entries))
            blocks.append(Block(_label(recommender, defense), tuple(rows)))
    note = (
        "vs clean: the same system on untouched images. vs undefended: the same row without the defense. "
        "Small print: 95 % interval, or spread over seeds."
    )
    return table(f"Recommendation quality at {k}", columns, blocks, (note,))


def _label(recommender: str | None, defense: str | None) -> str:
    """A recommender that sees no images has no defense."""
    return name_of(recommender) if defense is None else f"{name_of(recommender)} · {name_of(defense)}"


def _others(pool: Pool, k: int) -> Table | None:
    metrics = [m for m in pool.distinct("metric", k=k) if m not in MAIN]
    columns = [
        Column("Images in the catalog", numeric=False),
        *(Column(f"{name_of(m)}@{k}") for m in metrics),
    ]
    blocks = []
    for recommender in pool.distinct("recommender", metric=metrics, k=k):
        scope = {"recommender": recommender, "k": k}
        for defense in undefended_first(pool.distinct("defense", metric=metrics, **scope)):
            rows = tuple(
                (
                    Entry(_catalog(condition)),
                    *(mean(_get(pool, condition, metric=m, defense=defense, **scope)) for m in metrics),
                )
                for condition in _conditions(pool, metric=metrics, defense=defense, **scope)
            )
            blocks.append(Block(_label(recommender, defense), rows))
    return table(f"Other list metrics at {k}", columns, blocks)
