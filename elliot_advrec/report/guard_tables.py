"""Tables of filters and detectors: the worst case first, then what each kind of attacker reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elliot_advrec.report.compared import HITS, Compared
from elliot_advrec.report.document import Document
from elliot_advrec.report.guarded import SUCCESS, Measure, guards, scopes
from elliot_advrec.report.labels import listed, name_of
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.success_rules import Rule, headline_rules, place
from elliot_advrec.report.table import Table

READ = (
    "Oblivious attackers know nothing of the defense and attack the extractor alone; adaptive ones "
    "differentiate through filter and extractor as one; evading ones also keep below the detector's "
    "threshold. Pictures are handed in as files of 8 bits. One that is flagged is refused, and its attack "
    "has failed, unless the recipe says otherwise. A defense is as good as its worst case."
)


@dataclass(frozen=True)
class GuardTables:
    """What is said of filters and detectors.

    Attributes:
        summary: a row a defense, at the largest budget that all share.
        full: a row an attack and budget.
        folded: the same by other rules of success, and of hit rates.
    """

    summary: list[Table] = field(default_factory=list)
    full: list[Table] = field(default_factory=list)
    folded: list[Table] = field(default_factory=list)


def guard_tables(document: Document, pool: Pool) -> GuardTables:
    """All tables; none where nothing stands in front of an extractor."""
    known, made = guards(document), GuardTables()
    first, seen = headline_rules(pool), scopes(pool, *SUCCESS.all)
    several = len({threat for _, threat, _ in seen}) > 1, len({norm for *_, norm in seen}) > 1
    for measure in [SUCCESS, *map(Measure, HITS)]:
        for recommenders, threat, norm in scopes(pool, *measure.all):
            turned = _turned(measure, document, threat)
            for rule in _rules(pool, measure, threat):
                where = place((recommenders[0], threat, norm), rule)
                if measure is not SUCCESS and _same_as_success(pool, turned, where):
                    continue
                shown = Compared(pool, known, turned, where)
                # Several recommenders at once are all that the threat is judged on.
                apart = [one for one in seen if one[1] == threat and one[0] != recommenders]
                parts = [shown.title]
                parts += [name_of(threat)] if several[0] and threat is not None else []
                parts += [listed([name_of(one) for one in recommenders])] if apart else []
                parts += [name_of(norm)] if several[1] and norm is not None else []
                headline = measure is SUCCESS and rule == first[threat]
                full = shown.full(" · ".join(parts))
                (made.full if headline else made.folded).extend(full)
                if headline:
                    made.summary.extend(shown.summary(parts))
    return made


def _turned(measure: Measure, document: Document, threat: str | None) -> Measure:
    """The measure with the direction that this threat wants it to take."""
    if measure is SUCCESS:
        return measure
    ours = document.experiment.get("adversarial")
    entries = ours.get("threats", ()) if isinstance(ours, Mapping) else ()
    down = {
        entry.get("name")
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("type") == "demotion"
    }
    name = (threat or "").removesuffix(" (poisoned)")
    return Measure(measure.base, measure.base == "hit_rate" and name not in down)


def _same_as_success(pool: Pool, measure: Measure, where: Mapping[str, object]) -> bool:
    """Whether a hit rate says what success says: of one user, the item is in the list or not."""
    if measure.base != "hit_rate":
        return False
    for cell in pool.select(**{**where, "metric": measure.metric}):
        rate = pool.one(**{**cell.key._asdict(), "metric": SUCCESS.metric})
        expected = None if rate is None else rate.value if measure.rises else 1 - rate.value
        if expected is None or abs(expected - cell.value) > 1e-9:
            return False
    return True


def _rules(pool: Pool, measure: Measure, threat: str | None) -> list[Rule]:
    cells = [c for c in pool.select(metric=measure.metric, threat=threat) if c.key.knowledge]
    return list(dict.fromkeys((cell.key.rank_min, cell.key.k) for cell in cells))
