"""One comparison of filters and detectors as tables: the worst case first, then each kind of attacker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from elliot_advrec.report.budgets import strongest_common
from elliot_advrec.report.entries import EMPTY, mean, percent
from elliot_advrec.report.guarded import (
    KNOWLEDGE,
    SUCCESS,
    TRIED,
    Case,
    Guarded,
    Measure,
    Standing,
    cases,
    standing,
)
from elliot_advrec.report.labels import EPS, attack_name, budget, count, name_of
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.success_rules import rule_name
from elliot_advrec.report.table import Block, Column, Entry, Table, table

HITS = {"sampled_HR": "Sampled HR", "catalog_HR": "HR in the whole catalog", "hit_rate": "Hit rate"}
"""Measures beside success, and what they are called."""
UNINFORMED = "† Nobody who knows of the defense attacked it: its worst case is unknown."
_WITHOUT = (
    "Worst case: the attacker who is strongest over all pairs, not pair by pair. Without it: the same attack "
    "on what the defense stands in front of."
)


class Compared:
    """The tables of one measure, threat, recommender, norm and rule of success."""

    def __init__(
        self, pool: Pool, known: Mapping[str, Guarded], measure: Measure, where: Mapping[str, object]
    ) -> None:
        self.pool, self.known, self.measure, self.where = pool, known, measure, where
        self.entry: Callable[[Pooled | None], Entry] = percent if measure is SUCCESS else mean
        there = [name for name in known if self._cases(name)]
        self.eps, _ = strongest_common(
            pool.only(knowledge=KNOWLEDGE), there, {**where, "metric": measure.metric}
        )
        self.defenses = sorted(there, key=self._order)
        self.tries = {known[name].tries for name in there}

    @property
    def title(self) -> str:
        rule = self.where["rank_min"], self.where["k"]
        if self.measure is not SUCCESS:
            return f"{HITS[self.measure.base]}@{rule[1]}"
        named = rule_name(rule)  # type: ignore[arg-type]
        return f"Success rate, {named}" if named else "Success rate"

    def full(self, title: str) -> list[Table]:
        blocks = []
        for name in self.defenses:
            found = [(case, self._standing(name, [case])) for case in self._cases(name)]
            ordered = sorted(
                ((case, one) for case, one in found if one is not None),
                key=lambda pair: self.measure.badness(pair[1].worst),
                reverse=True,
            )
            rows = tuple(
                (Entry(attack_name(case[0], case[1])), Entry(budget(case[2])), *self._entries(name, one))
                for case, one in ordered
            )
            blocks.append(Block(self._label(name), rows))
        columns = [Column("Attack", numeric=False), Column(EPS), *self._columns()]
        made = table(title, columns, blocks, self._notes())
        return [] if made is None else [made]

    def summary(self, parts: list[str]) -> list[Table]:
        rows = []
        for name in self.defenses:
            one = self._standing(name, self._largest(name))
            if one is None:
                continue
            over = self.known[name].over
            sub = f"in front of {name_of(over)}" if over not in (None, "none") else ""
            worst, *others = self._entries(name, one)
            rows.append((Entry(name_of(name), sub), worst, Entry(by(one.worst)), *others))
        size = "" if self.eps is None else f", {EPS} {budget(self.eps)}"
        first, *rest = self._columns()
        columns = [Column("Defense", numeric=False), first, Column("by", numeric=False), *rest]
        title = " · ".join([f"Worst case of each defense{size}: {parts[0].lower()}", *parts[1:]])
        made = table(title, columns, [Block("", tuple(rows))], self._notes())
        return [] if made is None else [made]

    def _columns(self) -> list[Column]:
        tries = self.tries.copy().pop() if len(self.tries) == 1 else None
        best = (
            "Best of several tries"
            if tries is None
            else f"Best of {tries} {'try' if tries == 1 else 'tries'}"
        )
        return [Column("Worst case"), Column("Without it"), *map(Column, map(str.capitalize, KNOWLEDGE)),
                Column(best), Column("Pairs")]  # fmt: skip

    def _entries(self, name: str, one: Standing) -> list[Entry]:
        worst = self.entry(one.worst)
        mark = "" if self._informed(name) else "†"
        return [
            Entry(worst.text, worst.sub, True, mark),
            self.entry(one.without),
            *(self.entry(one.known.get(knowledge)) for knowledge in KNOWLEDGE),
            self.entry(one.tried),
            EMPTY if one.worst.n is None else Entry(count(one.worst.n)),
        ]

    def _notes(self) -> tuple[str, ...]:
        what = "Percent of pairs" if self.measure is SUCCESS else "Means over pairs"
        way = "" if self.measure.rises else " Here lower is worse."
        each = f"{what}; 95 % interval, or spread over seeds, below.{way} {_WITHOUT}"
        return each, "" if all(map(self._informed, self.defenses)) else UNINFORMED

    def _label(self, name: str) -> str:
        guarded = self.known[name]
        parts = [name_of(name)]
        parts += [f"in front of {name_of(guarded.over)}"] if guarded.over not in (None, "none") else []
        parts += [] if guarded.refuse else ["flagged pictures are counted, not refused"]
        base = max(self.pool.select(**{**self._at(name), "metric": self.measure.clean, "norm": self._norms}),
                   key=lambda cell: cell.n or 0, default=None)  # fmt: skip
        unit = " %" if self.measure is SUCCESS else ""
        level = "" if base is None else f" (untouched image: {self.entry(base).text}{unit})"
        return ", ".join(parts) + level

    @property
    def _norms(self) -> list[object]:
        return [self.where["norm"], None]

    def _at(self, name: str) -> dict[str, object]:
        return {**self.where, "defense": name}

    def _cases(self, name: str) -> list[Case]:
        return cases(self.pool, self.measure, self._at(name))

    def _largest(self, name: str) -> list[Case]:
        found = self._cases(name)
        return [case for case in found if case[2] == self.eps] if self.eps is not None else found

    def _standing(self, name: str, some: list[Case]) -> Standing | None:
        return standing(self.pool, self.measure, self._at(name), self.known[name].over, some)

    def _informed(self, name: str) -> bool:
        one = self._standing(name, self._cases(name))
        return one is not None and one.informed

    def _order(self, name: str) -> tuple[bool, float]:
        """The best defense first; one whose worst case is unknown is not better than others."""
        one = self._standing(name, self._largest(name))
        return not self._informed(name), float("inf") if one is None else self.measure.badness(one.worst)


def by(cell: Pooled) -> str:
    """Who reached a number: ``PGD-64 (adaptive)``, and whether it took several tries."""
    name = attack_name(cell.key.attack, cell.key.steps)
    return f"{name}, best try" if cell.key.metric.endswith(TRIED) else name
