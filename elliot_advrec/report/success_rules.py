"""When an attack succeeded: by which rules, which is shown first, and where a pool keeps the rates."""

from __future__ import annotations

from collections.abc import Mapping

from elliot_advrec.report.pooling import Pool, Pooled

Scope = tuple[str | None, str | None, str | None]
"""Recommender, threat and norm."""
Rule = tuple[int | None, int | None]
"""When an attack succeeded: a rank, or the length of a list that the item is in; or neither."""
RATE, ROUNDED, CLEAN = "success_rate", "success_rate_8bit", "success_rate_clean"


def scopes(pool: Pool) -> list[Scope]:
    """The (recommender, threat, norm) of every separate success table."""
    return list(
        dict.fromkeys((c.key.recommender, c.key.threat, c.key.norm) for c in pool.select(metric=RATE))
    )


def headline_rules(pool: Pool) -> dict[str | None, Rule]:
    """The rule of each threat that is shown first: rank 3, as in the literature, else the smallest rank
    measured, or the longest list."""
    found: dict[str | None, Rule] = {}
    for threat in pool.distinct("threat", metric=RATE):
        cells = pool.select(metric=RATE, threat=threat)
        rules = dict.fromkeys((cell.key.rank_min, cell.key.k) for cell in cells)
        found[threat] = max(rules, key=lambda rule: (rule[0] == 3, -(rule[0] or 0), rule[1] or 0))
    return found


def place(scope: Scope, rule: Rule) -> dict[str, object]:
    """What the key of a success rate of this scope and rule holds."""
    return {"recommender": scope[0], "threat": scope[1], "norm": scope[2], "rank_min": rule[0], "k": rule[1]}


def rule_name(rule: Rule) -> str:
    """``rank ≤ 3``, ``in the top 20``; nothing for a rule that has neither."""
    rank, k = rule
    return f"rank ≤ {rank}" if rank is not None else f"in the top {k}" if k is not None else ""


def untouched(pool: Pool, where: Mapping[str, object], defense: str | None) -> Pooled | None:
    """How often the untouched image is there already: the level that success is to be read against.

    Attacks on fewer pairs measure it on fewer, so the cell with the most pairs speaks.
    """
    same = {field: where[field] for field in ("recommender", "threat", "rank_min", "k")}
    cells = pool.select(metric=CLEAN, defense=defense, **same)
    return max(cells, key=lambda cell: cell.n or 0, default=None)
