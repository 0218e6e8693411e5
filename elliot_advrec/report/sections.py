"""The report's sections in order, each with its tables and pictures or the reason why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from elliot_advrec.report.accuracy import accuracy_table
from elliot_advrec.report.checks import checks_table, failed_table
from elliot_advrec.report.cost import effect_table, stage_table, visibility_table
from elliot_advrec.report.curves import eps_plots, step_plots
from elliot_advrec.report.detection import confusion_tables, detection_tables
from elliot_advrec.report.document import Document
from elliot_advrec.report.drawing import Plot
from elliot_advrec.report.effects import effect_tables
from elliot_advrec.report.glance import glance_table
from elliot_advrec.report.guard_curves import knowledge_plots
from elliot_advrec.report.guard_plots import shift_plot, suspicion_plot
from elliot_advrec.report.guard_tables import READ, guard_tables
from elliot_advrec.report.guarded import KNOWLEDGE
from elliot_advrec.report.pictures import Card, cards
from elliot_advrec.report.pooling import Pool
from elliot_advrec.report.ranking import cutoffs, ranking_tables
from elliot_advrec.report.scatters import distance_plot, tsne_plot
from elliot_advrec.report.searches import chosen_table, trial_tables
from elliot_advrec.report.success import headline_tables, rounding_tables, success_tables
from elliot_advrec.report.table import Table

T = TypeVar("T")
_PICKED = "Picked to show what an attack can do; how often it does is the success rate above."
_OF_ATTACKS = {"success", "visibility", "rounding"}
"""Sections that a recipe without attacks does not have."""
_OF_PICTURES = {"glance", "accuracy"}
"""Sections that a recipe without pictures does not have."""
_LONG = 40
"""Rows from which a table is folded where a shorter one says the main thing."""


@dataclass(frozen=True)
class Section:
    """One heading of the page.

    Attributes:
        anchor: its id in the page.
        title: its heading.
        tables: shown open.
        folded: shown when asked for.
        plots: drawings.
        cards: attacked pairs with pictures.
        lead: what is said under the heading, where there is something to see.
        missing: sentences on what is not there and why.
        brief: what the terminal shows instead of ``tables``; None: those.
    """

    anchor: str
    title: str
    tables: list[Table] = field(default_factory=list)
    folded: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lead: str = ""
    brief: list[Table] | None = None


def table_sections(document: Document, pool: Pool) -> list[Section]:
    """What can be shown without pictures; the terminal shows no more."""
    plain = pool.only(knowledge=None)  # attacks through filters and detectors have tables of their own
    success, ranking = success_tables(plain), ranking_tables(pool)
    rounding = rounding_tables(plain)
    headline = headline_tables(plain)
    lists = len(cutoffs(pool))
    sections = [
        Section("glance", "At a glance", _some(glance_table(pool))),
        _guards(document, pool),
        Section("detection", "Detection", detection_tables(pool), confusion_tables(pool)),
        Section("success", "Success of the attacks", success[:headline], success[headline:]),
        Section("effects", "What the threats changed", effect_tables(plain), _through(pool)),
        Section("accuracy", "Accuracy of the extractor", _some(accuracy_table(pool))),
        Section(
            "ranking",
            "Recommendation quality",
            ranking[:lists],
            ranking[lists:],
            brief=ranking_tables(plain)[:lists],
        ),
        Section("searches", "Searched settings", _some(chosen_table(document)), trial_tables(document)),
        Section(
            "visibility",
            "Imperceptibility and effect",
            _some(visibility_table(pool, largest=True), effect_table(pool, largest=True)),
            _some(visibility_table(pool), effect_table(pool)) if _several_eps(pool) else [],
        ),
        Section("rounding", "Rounding to 8 bits", rounding[:headline], rounding[headline:]),
        Section("checks", "Sanity checks", _some(failed_table(document)), _some(checks_table(document))),
        Section("cost", "Time and work", _some(stage_table(document))),
    ]
    absent = {
        "success": "No attack was run, so there is no success rate.",
        "accuracy": "No accuracy was measured: the catalog has no labels, or the recipe did not ask for it.",
        "ranking": "No recommender was evaluated.",
        "visibility": "No attacked image was measured.",
        "rounding": "Success after rounding was not measured.",
    }
    if not document.attacked:
        sections = [section for section in sections if section.anchor not in _OF_ATTACKS]
    if len(plain) < len(pool):
        del absent["success"], absent["rounding"]  # it is with the filters and detectors
    if document.plain:
        sections = [section for section in sections if section.anchor not in _OF_PICTURES]
    for section in sections:
        if not section.tables and section.anchor in absent:
            section.missing.append(absent[section.anchor])
    return [section for section in sections if section.tables or section.missing]


def all_sections(document: Document, pool: Pool, arrays: Mapping[str, np.ndarray]) -> list[Section]:
    """Everything, tables and pictures, in the order of the page."""
    found = table_sections(document, pool)
    for section in found:
        if section.anchor == "success":
            plain = pool.only(knowledge=None)
            section.plots.extend(eps_plots(plain) + step_plots(plain))
        elif section.anchor == "guards":
            section.plots.extend(knowledge_plots(document, pool))
        elif section.anchor == "detection":
            plot, lost = suspicion_plot(document, arrays)
            section.plots.extend(_some(plot))
            section.missing.extend(lost)
    if not document.attacked:
        return found
    pairs, lost_pairs = cards(document, arrays)
    tsne, lost_tsne = tsne_plot(document, arrays)
    shift, lost_shift = shift_plot(document, arrays)
    distance, lost_distance = distance_plot(document, arrays)
    pictures = [
        Section(
            "examples", "Neighbour lists before and after", cards=pairs, missing=lost_pairs, lead=_PICKED
        ),
        Section("distances", "Distance to the target", plots=_some(distance), missing=lost_distance),
        Section("embeddings", "Embeddings", plots=_some(tsne, shift), missing=lost_tsne + lost_shift),
    ]
    # Only some threats have a target, and so lists of neighbours and distances.
    pictures = [section for section in pictures if section.cards or section.plots or section.missing]
    place = next((i for i, section in enumerate(found) if section.anchor == "cost"), len(found))
    return found[:place] + pictures + found[place:]


def _guards(document: Document, pool: Pool) -> Section:
    """Filters and detectors: a row a defense, then a row an attack where there are several."""
    found = guard_tables(document, pool)
    short = found.summary if any(len(b.rows) > 1 for t in found.full for b in t.blocks) else []
    long = [table for table in found.full if short and sum(len(b.rows) for b in table.blocks) > _LONG]
    full = [table for table in found.full if table not in long]
    return Section(
        "guards",
        "Filters and detectors",
        short + full,
        long + found.folded,
        lead=READ,
        brief=found.summary,
    )


def _through(pool: Pool) -> list[Table]:
    """What the threats changed through filters and detectors, with rows for what attackers know."""
    found = effect_tables(pool.only(knowledge=KNOWLEDGE))
    return [replace(one, title=f"{one.title} · through filters and detectors") for one in found]


def _several_eps(pool: Pool) -> bool:
    return len(pool.distinct("eps", metric=["ssim", "cosine_after"])) > 1


def _some(*parts: T | None) -> list[T]:
    return [part for part in parts if part is not None]
