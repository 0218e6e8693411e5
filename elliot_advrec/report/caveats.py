"""What a reader must know before believing a number: the run's own notes, and what the rows show."""

from __future__ import annotations

from elliot_advrec.errors import plain
from elliot_advrec.report.detection import FLAGGED
from elliot_advrec.report.document import Document
from elliot_advrec.report.guarded import KNOWLEDGE, OBLIVIOUS
from elliot_advrec.report.labels import EPS, attack_name, bare, budget, listed, name_of
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.success_rules import RATE, headline_rules


def caveats(document: Document, pool: Pool) -> list[str]:
    """One sentence or two each, the experiment's own notes first."""
    said = [plain(note) for note in document.notes]
    rates = pool.distinct("defense", metric=RATE, knowledge=None)
    defended = [defense for defense in rates if defense not in (None, "none")]
    if defended:
        said.append(
            f"Every attack on a defended system ({listed([name_of(d) for d in defended])}) is white-box "
            "through the defense: its gradients are the defended extractor's own (adaptive), not those of "
            "the undefended one."
        )
    said += _guarded(pool)
    seeds = {row.seed for row in document.rows if row.seed is not None}
    if not document.attacked:
        if len(seeds) > 1:
            said.append(f"{len(seeds)} seeds: numbers are means ± the standard deviation over seeds.")
        elif seeds:
            said.append("One seed: the intervals cover which users were judged, not how training turned out.")
    elif len(seeds) > 1:
        said.append(
            f"{len(seeds)} seeds: rates add up the pairs of all seeds, other numbers are means ± the "
            "standard deviation over seeds, p-values are the largest of the seeds."
        )
    elif seeds:
        said.append("One seed: the intervals cover which pairs were drawn, not how training turned out.")
    return said + _masking(pool)


def _guarded(pool: Pool) -> list[str]:
    """Filters and detectors that nobody attacked knowingly."""
    rates = pool.select(metric=RATE, knowledge=KNOWLEDGE)
    informed = {cell.key.defense for cell in rates if cell.key.knowledge != OBLIVIOUS}
    alone = dict.fromkeys(cell.key.defense for cell in rates if cell.key.defense not in informed)
    if not alone:
        return []
    return [
        f"{listed([name_of(name) for name in alone])}: attacked only by those who do not know of the "
        "defense. Such numbers say nothing of an attacker who does."
    ]


def _masking(pool: Pool) -> list[str]:
    """A single step that clearly beats many steps within one budget is a sign of masked gradients."""
    found = []
    detected, rules = pool.distinct("defense", metric=FLAGGED), headline_rules(pool)
    for single in pool.select(metric=RATE):
        key = single.key
        if (key.rank_min, key.k) != rules[key.threat]:
            continue
        # Whoever does not know of a defense had other gradients; a detector may refuse the stronger attack.
        fair = key.knowledge is None or (key.knowledge != OBLIVIOUS and key.defense not in detected)
        if bare(key.attack or "") != "fgsm" or not fair:
            continue
        same = {f: getattr(key, f) for f in key._fields if f not in ("attack", "steps")}
        for many in pool.select(**same):
            if many.key.attack == key.attack or (many.key.steps or 0) < 2 or None in (many.high, single.low):
                continue
            if many.high < single.low:  # type: ignore[operator]
                one, other = (attack_name(k.attack, k.steps) for k in (key, many.key))
                found.append(
                    f"{one} beats {other} on {name_of(key.defense)} at {EPS} {budget(key.eps)}: masked "
                    "gradients are likely, its robustness overstated."
                )
    return found
