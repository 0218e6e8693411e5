"""Success rate of attacks: by defense and attack, over eps, at each rank."""

from __future__ import annotations

from collections.abc import Callable

from elliot_advrec.report.entries import EMPTY, percent
from elliot_advrec.report.labels import (
    EPS,
    attack_name,
    budget,
    count,
    name_of,
    signed,
    undefended_first,
)
from elliot_advrec.report.pooling import P_VALUE, Pool, Pooled
from elliot_advrec.report.success_rules import (
    RATE,
    ROUNDED,
    Rule,
    headline_rules,
    place,
    rule_name,
    scopes,
    untouched,
)
from elliot_advrec.report.table import Block, Column, Entry, Table, table

SIGNIFICANT = 0.05
Group = tuple[str | None, tuple[str | None, ...], str | None]
"""The scopes of one table: a recommender, threats, a norm."""
HITS = "hit_rate"


def headline_tables(pool: Pool) -> int:
    """How many of ``success_tables`` show the rule of success that is shown first."""
    first = headline_rules(pool)
    return len({(recommender, norm, first[threat]) for recommender, threat, norm in scopes(pool)})


def success_tables(pool: Pool) -> list[Table]:
    """One table a recommender, norm and rule of success; the headline rank comes first."""
    return _tables(pool, _success)


def rounding_tables(pool: Pool) -> list[Table]:
    """The same after the attacked image was rounded to 8 bits a channel, with the change."""
    return _tables(pool, _rounding)


def _tables(pool: Pool, build: Callable[[Pool, Group, Rule], Table | None]) -> list[Table]:
    """One table a recommender, norm and rule, all threats with that rule in it."""
    first = headline_rules(pool)
    grouped: dict[tuple[bool, Rule, str | None, str | None], list[str | None]] = {}
    for recommender, threat, norm in scopes(pool):
        cells = pool.select(metric=RATE, recommender=recommender, threat=threat, norm=norm)
        for rule in dict.fromkeys((cell.key.rank_min, cell.key.k) for cell in cells):
            grouped.setdefault((rule != first[threat], rule, recommender, norm), []).append(threat)
    ordered = sorted(grouped.items(), key=lambda one: (one[0][0], one[0][1][0] or 0, one[0][1][1] or 0))
    made = [
        build(pool, (recommender, tuple(threats), norm), rule)
        for (_, rule, recommender, norm), threats in ordered
    ]
    return [one for one in made if one is not None]


def _title(pool: Pool, what: str, group: Group, rule: Rule) -> str:
    """What is shown, and of the scope only what distinguishes it from other tables."""
    recommender, threats, norm = group
    parts = [f"{what}, {rule_name(rule)}" if rule_name(rule) else what]
    several = scopes(pool)
    threat = threats[0] if len(threats) == 1 else None
    for position, value in enumerate((recommender, threat, norm)):
        if value is not None and len({other[position] for other in several}) > 1:
            parts.append(name_of(value))
    return " · ".join(parts)


def _eps_columns(
    pool: Pool, group: Group, rule: Rule, metric: str
) -> tuple[list[float | None], list[Column]]:
    recommender, threats, norm = group
    found = {
        eps
        for threat in threats
        for eps in pool.distinct("eps", metric=metric, **place((recommender, threat, norm), rule))
    }
    sizes = sorted(found, key=lambda eps: -1 if eps is None else eps)
    span = f"{EPS} ({name_of(str(norm))})" if norm else EPS
    return sizes, [Column(budget(eps), span) for eps in sizes]


def _attacks(
    pool: Pool, where: dict[str, object], defense: str | None
) -> list[tuple[str | None, int | None]]:
    found = pool.select(metric=RATE, defense=defense, **where)
    return list(dict.fromkeys((cell.key.attack, cell.key.steps) for cell in found))


def _systems(
    pool: Pool, group: Group, rule: Rule, metric: str
) -> list[tuple[str, str | None, dict[str, object]]]:
    """(words, defense, where) of each block of rows."""
    recommender, threats, norm = group
    found = []
    for threat in threats:
        where = place((recommender, threat, norm), rule)
        for defense in undefended_first(pool.distinct("defense", metric=metric, **where)):
            words = [name_of(threat)] if len(threats) > 1 else []
            found.append((" · ".join([*words, name_of(defense)]), defense, where))
    return found


def _success(pool: Pool, group: Group, rule: Rule) -> Table | None:
    sizes, eps_columns = _eps_columns(pool, group, rule, RATE)
    blocks, marked, grown = [], False, False
    for words, defense, where in _systems(pool, group, rule, RATE):
        attacks = _attacks(pool, where, defense)
        grid: dict[tuple[int, float | None], Pooled | None] = {
            (row, eps): pool.one(metric=RATE, defense=defense, attack=a, steps=s, eps=eps, **where)
            for row, (a, s) in enumerate(attacks)
            for eps in sizes
        }
        rows = []
        for row, (attack, steps) in enumerate(attacks):
            entries = [Entry(attack_name(attack, steps)), _pairs([grid[row, eps] for eps in sizes])]
            for eps in sizes:
                cell = grid[row, eps]
                rivals = [other.value for i in range(len(attacks)) if (other := grid[i, eps]) is not None]
                key = {"defense": defense, "attack": attack, "steps": steps, "eps": eps, **where}
                p, hits = pool.one(metric=P_VALUE, **key), pool.one(metric=HITS, **key)
                mark = "*" if p is not None and p.value < SIGNIFICANT else ""
                marked |= bool(mark)
                grown |= cell is not None and hits is not None and abs(hits.value - cell.value) > 1e-9
                best = cell is not None and len(rivals) > 1 and cell.value == max(rivals) > min(rivals)
                entries.append(percent(cell, strong=best, mark=mark))
            rows.append(tuple(entries))
        base = untouched(pool, where, defense)
        level = "" if base is None else f" (untouched image: {percent(base).text} %)"
        blocks.append(Block(words + level, tuple(rows)))
    notes = ["Percent of pairs, 95 % interval below. Bold: the strongest attack on each defense."]
    if marked:
        notes.append(f"* differs from undefended, Benjamini-Hochberg-corrected p < {SIGNIFICANT}.")
    if grown:
        notes.append("Where many users are meant, success is that more of them have the item in their list;"
                     " how many have it is said below, in what the threats changed.")  # fmt: skip
    columns = [Column("Attack", numeric=False), Column("Pairs"), *eps_columns]
    return table(_title(pool, "Success rate", group, rule), columns, blocks, tuple(notes))


def _pairs(cells: list[Pooled | None]) -> Entry:
    sizes = sorted({cell.n for cell in cells if cell is not None and cell.n is not None})
    return Entry("–".join(dict.fromkeys(count(n) for n in (sizes[:1] + sizes[-1:])))) if sizes else EMPTY


def _rounding(pool: Pool, group: Group, rule: Rule) -> Table | None:
    sizes, eps_columns = _eps_columns(pool, group, rule, ROUNDED)
    blocks = []
    for words, defense, where in _systems(pool, group, rule, ROUNDED):
        rows = []
        for attack, steps in _attacks(pool, where, defense):
            entries = [Entry(attack_name(attack, steps))]
            for eps in sizes:
                key = {"defense": defense, "attack": attack, "steps": steps, "eps": eps, **where}
                rounded, exact = pool.one(metric=ROUNDED, **key), pool.one(metric=RATE, **key)
                entry = percent(rounded)
                if rounded is not None and exact is not None:
                    digits = len(entry.text.partition(".")[2])
                    entry = Entry(entry.text, signed(100 * (rounded.value - exact.value), digits))
                entries.append(entry)
            rows.append(tuple(entries))
        blocks.append(Block(words, tuple(rows)))
    columns = [Column("Attack", numeric=False), *eps_columns]
    note = "Percent after rounding each pixel to 8 bits, with the change in percentage points below."
    return table(_title(pool, "Success after rounding to 8 bits", group, rule), columns, blocks, (note,))
