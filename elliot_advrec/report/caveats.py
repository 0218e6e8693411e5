"""What a reader must know before believing a number: the run's own notes, and what the rows show."""

from __future__ import annotations

from elliot_advrec.report.document import Document
from elliot_advrec.report.labels import EPS, attack_name, budget, listed, name_of, plain
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.success import RATE, headline_rank


def caveats(document: Document, pool: Pool) -> list[str]:
    """One sentence or two each, the experiment's own notes first."""
    said = [plain(note) for note in document.notes]
    defended = [d for d in pool.distinct("defense", metric=RATE) if d not in (None, "none")]
    if defended:
        said.append(
            f"Every attack on a defended system ({listed([name_of(d) for d in defended])}) is white-box "
            "through the defense: its gradients are the defended extractor's own (adaptive), not those of "
            "the undefended one."
        )
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


def _masking(pool: Pool) -> list[str]:
    """A single step that clearly beats many steps within one budget is a sign of masked gradients."""
    found = []
    for single in pool.select(metric=RATE, attack="fgsm", rank_min=headline_rank(pool)):
        key = single.key
        same = {
            f: getattr(key, f)
            for f in ("recommender", "defense", "threat", "norm", "eps", "rank_min", "metric")
        }
        for many in pool.select(**same):
            if many.key.attack == "fgsm" or (many.key.steps or 0) < 2 or None in (many.high, single.low):
                continue
            if many.high < single.low:  # type: ignore[operator]
                found.append(
                    f"FGSM beats {attack_name(many.key.attack, many.key.steps)} on {name_of(key.defense)} at "
                    f"{EPS} {budget(key.eps)}: masked gradients are likely, its robustness overstated."
                )
    return found
