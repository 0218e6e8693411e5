"""How far the attacks moved things, how visible they are, and what all of it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elliot_advrec.errors import plain
from elliot_advrec.report.document import Document, Stage
from elliot_advrec.report.entries import EMPTY, mean
from elliot_advrec.report.labels import (
    EPS,
    attack_name,
    count,
    duration,
    name_of,
    number,
    sized,
    undefended_first,
)
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.table import Block, Column, Entry, Table, table

_VISIBLE = {
    "ssim": ("SSIM", 4),
    "psnr": ("PSNR (dB)", 1),
    "lpips": ("LPIPS", 4),
    "linf": ("L∞", 4),
    "l2": ("L2", 3),
}
MEASURED_ELSEWHERE = (
    *_VISIBLE,
    "cosine_before",
    "cosine_after",
    "median_rank_before",
    "median_rank_after",
    "gradient_evaluations",
    "queries",
)
"""Metrics of pairs that are shown here."""
_EFFECT = {
    "cosine_before": ("before", "Cosine to target", 3),
    "cosine_after": ("after", "Cosine to target", 3),
    "median_rank_before": ("before", "Median rank", 1),
    "median_rank_after": ("after", "Median rank", 1),
    "gradient_evaluations": ("", "Gradient evaluations a pair", 0),
}


def visibility_table(pool: Pool, *, largest: bool = False) -> Table | None:
    """SSIM, PSNR, LPIPS where it was measured, and the norms of the perturbation, a mean over pairs.

    Args:
        pool: all cells.
        largest: only each attack's largest eps.
    """
    columns = [Column(head) for head, _ in _VISIBLE.values()]
    digits = {metric: places for metric, (_, places) in _VISIBLE.items()}
    note = (
        "Means over pairs, pixels in [0,1]; PSNR over those whose image changed. SSIM 1 and a high PSNR mean "
        "that nothing is to be seen."
    )
    if pool.select(metric="lpips"):
        note += " LPIPS, a learned distance, is 0 for equal pictures; papers print it times 100."
    return _by_attack(pool, "Imperceptibility", columns, digits, note, largest)


def effect_table(pool: Pool, *, largest: bool = False) -> Table | None:
    """Similarity and rank before and after, and the gradients that it took; as in ``visibility_table``."""
    columns = [Column(head or span, span if head else "") for head, span, _ in _EFFECT.values()]
    digits = {metric: places for metric, (_, _, places) in _EFFECT.items()}
    note = "Cosine similarities and gradient evaluations are means over pairs."
    return _by_attack(pool, "Similarity and rank", columns, digits, note, largest)


def _by_attack(
    pool: Pool, title: str, columns: list[Column], digits: dict[str, int], note: str, largest: bool
) -> Table | None:
    blocks = []
    metrics = list(digits)
    several = [len(pool.distinct(field, metric=metrics)) > 1 for field in ("recommender", "threat")]
    for recommender, threat in dict.fromkeys(
        (cell.key.recommender, cell.key.threat) for cell in pool.select(metric=metrics)
    ):
        where = {"recommender": recommender, "threat": threat}
        for defense in undefended_first(pool.distinct("defense", metric=metrics, **where)):
            scope = {"defense": defense, **where}
            cells = pool.select(metric=metrics, **scope)
            rows = []
            for attack, steps, eps, norm in dict.fromkeys(
                (c.key.attack, c.key.steps, c.key.eps, c.key.norm) for c in cells if c.key.attack is not None
            ):
                rivals = {(c.key.eps or 0) for c in cells if (c.key.attack, c.key.norm) == (attack, norm)}
                if largest and (eps or 0) < max(rivals):
                    continue
                key = {"attack": attack, "steps": steps, "eps": eps, "norm": norm, **scope}
                cells_here = ((pool.one(metric=metric, **key), places) for metric, places in digits.items())
                numbers = [mean(cell, places, interval=False) for cell, places in cells_here]
                rows.append((Entry(attack_name(attack, steps)), Entry(sized(eps, norm)), *numbers))
            named = zip((recommender, threat), several, strict=True)
            label = " · ".join([name_of(defense), *(name_of(name) for name, many in named if many)])
            blocks.append(Block(label, tuple(rows)))
    title += f" at each attack's largest {EPS}" if largest else ""
    return table(title, [Column("Attack", numeric=False), Column(EPS), *columns], blocks, (note,))


def stage_table(document: Document) -> Table | None:
    """Time and gradient evaluations a stage, and their sums over what was computed in this run."""
    stages = document.stages
    ran = [stage for stage in stages if not stage.cached]
    rows = [_stage(stage) for stage in stages]
    kinds = dict.fromkeys(stage.kind for stage in ran)
    sums = [_sum(f"All of kind {kind}", [s for s in stages if s.kind == kind]) for kind in kinds if kind]
    sums.append(_sum("Computed in this run", stages, strong=True))
    columns = [
        Column("Stage", numeric=False),
        Column("Time"),
        Column("Gradient evaluations"),
        Column("Peak memory (MB)"),
        Column("Source", numeric=False),
    ]
    blocks = [Block("", tuple(rows)), *([Block("", tuple(sums))] if len(stages) > 1 else [])]
    note = "A gradient evaluation is one forward and one backward pass of one image."
    found = table("Time and work", columns, blocks, (note,)) if stages else None
    if found is None or columns[2] in found.columns:
        return found
    return replace(found, notes=())


def _stage(stage: Stage) -> tuple[Entry, ...]:
    work = EMPTY if not stage.gradient_evaluations else Entry(count(stage.gradient_evaluations))
    return (
        Entry(plain(stage.name)),
        Entry(duration(stage.seconds)),
        work,
        _memory([stage]),
        Entry("stored" if stage.cached else "computed"),
    )


def _sum(label: str, stages: Sequence[Stage], *, strong: bool = False) -> tuple[Entry, ...]:
    """What was computed of ``stages`` in this run."""
    ran = [stage for stage in stages if not stage.cached]
    gradients = sum(stage.gradient_evaluations or 0 for stage in ran)
    return (
        Entry(label, strong=strong),
        Entry(duration(sum(stage.seconds or 0 for stage in ran)), strong=strong),
        Entry(count(gradients), strong=strong) if gradients or strong else EMPTY,
        _memory(ran),
        Entry(f"{len(ran)} of {len(stages)}"),
    )


def _memory(stages: Sequence[Stage]) -> Entry:
    peaks = [stage.peak_memory_mb for stage in stages if stage.peak_memory_mb is not None]
    return Entry(number(max(peaks), 0)) if peaks else EMPTY
