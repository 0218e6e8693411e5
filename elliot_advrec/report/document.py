"""What results.json must look like before anything is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.report.exhibits import Exhibits
from elliot_advrec.report.part import Part

FORMAT = 1
"""Version of the results format this package reads; a file without ``format`` is of version 1."""


class Row(Part):
    """One measured number and what it was measured on; what does not apply is null."""

    recommender: str | None = None
    """Name of the recommender, null for measurements of the extractor alone."""
    defense: str | None = None
    """Name of the defense; ``none`` is the undefended system."""
    threat: str | None = None
    """Name of the threat."""
    attack: str | None = None
    """Name of the attack, with what the attacker knows behind it; null for untouched images."""
    knowledge: str | None = None
    """What the attacker knows of what stands in front of the extractor: ``oblivious``, ``adaptive`` or
    ``evading``, null where nothing does."""
    norm: str | None = None
    """``linf`` or ``l2``."""
    eps: float | None = None
    """Budget in units of [0,1] pixels."""
    steps: int | None = None
    """Steps of the attack."""
    metric: str
    """Name of the metric."""
    k: int | None = None
    """Length of the recommendation list."""
    rank_min: int | None = None
    """Rank that counts as success."""
    value: float | None
    """The measured value; rates are shares in [0,1]."""
    ci_low: float | None = None
    """Lower end of the 95 % interval."""
    ci_high: float | None = None
    """Upper end of the 95 % interval."""
    n: int | None = None
    """What the value is a mean over: pairs, images or users."""
    seed: int | None = None
    """Seed of the run."""


class Stage(Part):
    """One stage of the run and what it cost."""

    name: str
    """What a person calls it."""
    kind: str | None = None
    """Which kind of work it is."""
    key: str = ""
    """Hash of all that decides its result."""
    seconds: float | None = None
    """Wall-clock time, of the run that computed it."""
    peak_memory_mb: float | None = None
    """Highest resident memory while it was computed."""
    gradient_evaluations: int | None = None
    """Forward and backward passes of single images."""
    cached: bool = False
    """Whether this run took it from the store."""


class Trial(Part):
    """One candidate of a search."""

    settings: dict[str, Any]
    """The searched settings."""
    loss: float | None
    """What was minimised: the training loss, or -1 times the chosen metric; null where it was no number."""


class Search(Part):
    """A model's candidates, as its search tried them."""

    name: str
    """The stage that searched."""
    recommender: str
    """Name of the recommender."""
    trials: tuple[Trial, ...]
    """All that were tried, in order."""
    best: int
    """Which of them won, counted from 0."""


class Check(Part):
    """Something that a run looked at to see whether its own numbers are possible."""

    check: str
    """What must hold."""
    on: str
    """Where it was looked at."""
    passed: bool
    """Whether it holds."""
    detail: str = ""
    """The numbers behind it."""


class Document(Part):
    """The whole of results.json."""

    format: int = FORMAT
    """Version of this format."""
    name: str = "experiment"
    """What the experiment is called."""
    recipe: dict[str, Any]
    """The recipe with every default filled in."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of what ran."""
    device: str = ""
    """The machine's accelerator, or ``cpu``."""
    seeds: tuple[int, ...] = ()
    """Seeds that were run."""
    notes: tuple[str, ...] = ()
    """What a reader must know before believing a number."""
    stages: tuple[Stage, ...] = ()
    """What was computed, in order."""
    searches: tuple[Search, ...] = ()
    """What was tried for models whose settings are searched."""
    checks: tuple[Check, ...] = ()
    """Whether the numbers are possible."""
    rows: tuple[Row, ...]
    """Every measured number."""
    exhibits: Exhibits = Exhibits()
    """Index of pictures and curves."""
    peak_memory_mb: float | None = None
    """Largest resident memory of the process in MB."""

    @property
    def experiment(self) -> Mapping[str, Any]:
        """The section ``experiment`` of the recipe, empty where there is none."""
        return _mapping(self.recipe.get("experiment"))

    @property
    def plain(self) -> bool:
        """Whether the recipe is one of Elliot's own: no catalog with pictures, and so nothing to attack."""
        ours = self.experiment.get("adversarial")
        return isinstance(ours, Mapping) and ours.get("catalog") is None

    @property
    def attacked(self) -> bool:
        """Whether the recipe asks for attacks."""
        ours = self.experiment.get("adversarial")
        return not (isinstance(ours, Mapping) and not ours.get("attacks"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def parse(results: Mapping[str, Any], where: str = "results") -> Document:
    """Check ``results`` against the format.

    Args:
        results: what results.json holds.
        where: the file, for messages.

    Raises:
        UserError: it is of another format version, or a part is missing or of the wrong kind.
    """
    found = results.get("format", FORMAT)
    if found != FORMAT:
        raise UserError(
            f"the results are of format {found!r}, this version reads format {FORMAT}",
            where=where,
            remedy="report with the version that ran the experiment, or run it again",
        )
    return validate(Document, results, where)
