"""Filters and detectors in front of extractors: how each attack fares by what its attacker knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elliot_advrec.report.document import Document
from elliot_advrec.report.labels import bare
from elliot_advrec.report.pooling import Pool, Pooled

OBLIVIOUS = "oblivious"
KNOWLEDGE = (OBLIVIOUS, "adaptive", "evading")
TRIED = "_resubmitted"
"""Ending of a metric that counts the best of several tries."""


@dataclass(frozen=True)
class Guarded:
    """A defense in front of an extractor, as the recipe names it.

    Attributes:
        over: the training defense whose extractor it stands before; None: unknown.
        tries: how often a picture may be handed in; None: unknown.
        refuse: whether a flagged picture is refused.
    """

    over: str | None = None
    tries: int | None = None
    refuse: bool = True


@dataclass(frozen=True)
class Measure:
    """What is compared: pictures in 8 bits throughout, as they reach a shop, and as further tries are.

    Attributes:
        base: its name for pictures as the attack left them.
        rises: whether a larger value is the worse one for the shop.
    """

    base: str
    rises: bool = True

    @property
    def metric(self) -> str:
        """The name for pictures in 8 bits."""
        return f"{self.base}_8bit"

    @property
    def clean(self) -> str:
        """The name for untouched pictures."""
        return f"{self.base}_clean"

    @property
    def tried(self) -> str:
        """The name for the best of several tries."""
        return self.base + TRIED

    @property
    def all(self) -> list[str]:
        """The metric with and without further tries."""
        return [self.metric, self.tried]

    def badness(self, cell: Pooled) -> float:
        """Larger for what is worse."""
        return cell.value if self.rises else -cell.value

    def worst(self, cells: Iterable[Pooled]) -> Pooled | None:
        """The worst of some cells; None of none."""
        return max(cells, key=self.badness, default=None)


SUCCESS = Measure("success_rate")
Case = tuple[str, int | None, float | None]
"""An attack by its own name, its steps and eps."""


@dataclass(frozen=True)
class Standing:
    """How one attack, or several at one budget, fared against a defense.

    Attributes:
        worst: the worst number of all that follow but the first.
        without: the same attack where the defense does not stand; None: it was not run.
        known: by what the attacker knows.
        tried: the best of several tries, of the attacker who gains most by them.
        informed: whether any of the attackers knew of the defense.
    """

    worst: Pooled
    without: Pooled | None
    known: Mapping[str, Pooled]
    tried: Pooled | None
    informed: bool


def guards(document: Document) -> dict[str, Guarded]:
    """Name -> what the recipe says, of every defense whose rows tell what attackers know."""
    ours = document.experiment.get("adversarial")
    entries = ours.get("defenses") if isinstance(ours, Mapping) else None
    said = {
        entry.get("name"): entry
        for entry in (entries if isinstance(entries, Sequence) else ())
        if isinstance(entry, Mapping)
    }
    names = dict.fromkeys(row.defense for row in document.rows if row.knowledge and row.defense)
    return {name: _guarded(said.get(name, {})) for name in names if name is not None}


def _guarded(entry: Mapping[str, Any]) -> Guarded:
    over, tries = entry.get("over"), entry.get("tries")
    return Guarded(
        over if isinstance(over, str) else None,
        tries if isinstance(tries, int) else None,
        entry.get("refuse", True) is not False,
    )


def cases(pool: Pool, measure: Measure, where: Mapping[str, object]) -> list[Case]:
    """The attacks on the cells of ``where``, each once, whoever ran them."""
    cells = [cell for cell in pool.select(metric=measure.metric, **where) if cell.key.knowledge]
    return list(dict.fromkeys((bare(c.key.attack or ""), c.key.steps, c.key.eps) for c in cells))


def standing(
    pool: Pool, measure: Measure, where: Mapping[str, object], over: str | None, some: Sequence[Case]
) -> Standing | None:
    """How the attacks ``some`` fared, of each column the strongest; None where none of them was run.

    Args:
        pool: all cells.
        measure: what is compared.
        where: one defense, threat, recommender, norm and rule of success.
        over: the defense that remains without this one.
        some: attacks.
    """

    def of(metric: str, case: Case, **columns: object) -> list[Pooled]:
        cells = pool.select(**{**where, "metric": metric, "steps": case[1], "eps": case[2], **columns})
        return [cell for cell in cells if bare(cell.key.attack or "") == case[0]]

    def strongest(metric: str, **columns: object) -> Pooled | None:
        return measure.worst(cell for case in some for cell in of(metric, case, **columns))

    known = {name: cell for name in KNOWLEDGE if (cell := strongest(measure.metric, knowledge=name))}
    tried = strongest(measure.tried, knowledge=KNOWLEDGE)
    worst = measure.worst([*known.values(), *([] if tried is None else [tried])])
    if worst is None:
        return None
    without = None if over is None else strongest(measure.metric, defense=over, knowledge=None)
    return Standing(worst, without, known, tried, set(known) != {OBLIVIOUS})


def scopes(pool: Pool, *metrics: str) -> list[tuple[tuple[str | None, ...], str | None, str | None]]:
    """(recommenders, threat, norm) of what is compared apart.

    A threat that aims at the extractor has the same numbers for each recommender that it is judged on: they
    are shown once.
    """
    cells = [cell for cell in pool.select(metric=metrics) if cell.key.knowledge]
    numbers: dict[tuple[str | None, str | None, str | None], list[object]] = {}
    for cell in cells:
        rest = (*cell.key._replace(recommender=None), cell.value, cell.n)
        numbers.setdefault((cell.key.threat, cell.key.norm, cell.key.recommender), []).append(rest)
    found: dict[tuple[object, ...], list[str | None]] = {}
    for (threat, norm, recommender), seen in numbers.items():
        found.setdefault((threat, norm, tuple(seen)), []).append(recommender)
    return [(tuple(those), key[0], key[1]) for key, those in found.items()]  # type: ignore[misc]
