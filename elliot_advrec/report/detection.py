"""How well detectors tell attacked pictures from untouched ones, and the counts behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from elliot_advrec.report.entries import EMPTY, mean, percent
from elliot_advrec.report.guarded import scopes
from elliot_advrec.report.labels import EPS, attack_name, budget, count, listed, name_of, number
from elliot_advrec.report.pooling import Pool, Pooled
from elliot_advrec.report.table import Block, Column, Entry, Table, table

ACCURACY, TPR, FLAGGED, CLEAN = "detection_accuracy", "detection_tpr", "flagged", "flagged_clean"
AUROC, STRICT, THRESHOLD = "detection_auroc", "detection_tpr_at_1_fpr", "detection_threshold"
METRICS = (ACCURACY, TPR, FLAGGED, AUROC, STRICT)
"""Of attacks on a defense with a detector."""
_NOTE = (
    "Percent, but for AUROC; 95 % interval or spread over seeds below. Flagged: of all pictures that the "
    "attacker handed in. The rest is of test pictures, on which nothing was fitted, each once. Accuracy: "
    "right verdicts over each attacked picture and its untouched self. TPR: attacked ones that are flagged, "
    "FPR: clean ones that are, both at the threshold. AUROC, and TPR where 1 % of them are flagged, are "
    "against the clean test pictures."
)
_COUNTED = "Test pictures by verdict, over all seeds."
Row = Callable[[Mapping[str, object]], tuple[Entry, ...]]


def detection_tables(pool: Pool) -> list[Table]:
    """One table a threat (and recommender, where it aims at one)."""
    columns = [
        Column("Flagged"),
        Column("Accuracy", "At the threshold"),
        Column("TPR", "At the threshold"),
        Column("FPR", "At the threshold"),
        Column("AUROC"),
        Column("TPR at 1 % FPR"),
        Column("attacked", "Test pictures"),
        Column("clean", "Test pictures"),
    ]

    def row(where: Mapping[str, object]) -> tuple[Entry, ...]:
        found = {metric: pool.one(**{**where, "metric": metric}) for metric in METRICS}
        clean = _clean(pool, where)
        return (
            percent(found[FLAGGED]),
            percent(found[ACCURACY]),
            percent(found[TPR]),
            percent(clean),
            mean(found[AUROC]),
            percent(found[STRICT]),
            _count(found[TPR]),
            _count(clean),
        )

    return _tables(pool, "Detection", columns, row, _NOTE)


def confusion_tables(pool: Pool) -> list[Table]:
    """The same attacks with the pictures counted by verdict."""
    spans = ("Attacked", "Untouched selves", "All clean ones")
    columns = [Column(head, span) for span in spans for head in ("flagged", "passed")]

    def row(where: Mapping[str, object]) -> tuple[Entry, ...]:
        flagged = pool.one(**{**where, "metric": TPR})
        accuracy = pool.one(**{**where, "metric": ACCURACY})
        return (*_verdicts(flagged), *_untouched(flagged, accuracy), *_verdicts(_clean(pool, where)))

    return _tables(pool, "Verdicts", columns, row, _COUNTED)


def _tables(pool: Pool, what: str, columns: list[Column], row: Row, note: str) -> list[Table]:
    seen, made = scopes(pool, FLAGGED), []
    for recommenders, threat, norm in seen:
        where = {"threat": threat, "recommender": recommenders[0], "norm": norm}
        blocks = []
        for defense in pool.distinct("defense", metric=FLAGGED, **where):
            at = {**where, "defense": defense}
            cells = pool.select(metric=FLAGGED, **at)
            rows = tuple(
                (
                    Entry(attack_name(cell.key.attack, cell.key.steps)),
                    Entry(budget(cell.key.eps)),
                    *row({**at, **{name: getattr(cell.key, name) for name in ("attack", "steps", "eps")}}),
                )
                for cell in cells
            )
            blocks.append(Block(name_of(defense) + _threshold(pool, defense), rows))
        parts = [what, *([] if threat is None else [name_of(threat)])]
        if any(one[1] == threat and one[0] != recommenders for one in seen):
            parts.append(listed([name_of(one) for one in recommenders]))
        parts += [name_of(norm)] if norm not in (None, "linf") else []
        heads = [Column("Attack", numeric=False), Column(EPS), *columns]
        one = table(" · ".join(parts), heads, blocks, (note,))
        made += [] if one is None else [one]
    return made


def _clean(pool: Pool, where: Mapping[str, object]) -> Pooled | None:
    return pool.one(metric=CLEAN, defense=where["defense"])


def _threshold(pool: Pool, defense: str | None) -> str:
    found = pool.one(metric=THRESHOLD, defense=defense)
    return "" if found is None else f" (threshold {number(found.value)})"


def _count(cell: Pooled | None) -> Entry:
    return EMPTY if cell is None or cell.n is None else Entry(count(cell.n))


def _verdicts(cell: Pooled | None) -> tuple[Entry, Entry]:
    """Flagged and passed, of a share that was flagged."""
    if cell is None or cell.n is None:
        return EMPTY, EMPTY
    flagged = round(cell.value * cell.n)
    return Entry(count(flagged)), Entry(count(cell.n - flagged))


def _untouched(flagged: Pooled | None, accuracy: Pooled | None) -> tuple[Entry, Entry]:
    """Right verdicts less those on attacked pictures are the untouched ones that passed."""
    if flagged is None or accuracy is None or flagged.n is None or accuracy.n is None:
        return EMPTY, EMPTY
    passed = round(accuracy.value * accuracy.n) - round(flagged.value * flagged.n)
    return Entry(count(accuracy.n - flagged.n - passed)), Entry(count(passed))
