"""What results.json must look like before anything is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from elliot_advrec.component import validate
from elliot_advrec.errors import UserError

FORMAT = 1
"""Version of the results format this package reads; a file without ``format`` is of version 1."""


class Part(BaseModel):
    """Read leniently: a key that a later release adds does no harm, a missing or mistyped one does."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Row(Part):
    """One measured number and what it was measured on; what does not apply is null."""

    recommender: str | None = None
    """Name of the recommender, null for measurements of the extractor alone."""
    defense: str | None = None
    """Name of the defense; ``none`` is the undefended system."""
    threat: str | None = None
    """Name of the threat."""
    attack: str | None = None
    """Name of the attack, null for untouched images."""
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
    key: str = ""
    """Hash of all that decides its result."""
    seconds: float | None = None
    """Wall-clock time, of the run that computed it."""
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


class Neighbour(Part):
    """One entry of a neighbour list."""

    item: str
    """Item id."""
    similarity: float
    """Cosine similarity to the target."""
    image: str
    """Name of its (H,W,3) uint8 array."""
    is_attacked: bool = False
    """Whether it is the attacked item."""


class Example(Part):
    """One attacked pair with its pictures."""

    defense: str | None = None
    """Name of the defense."""
    threat: str | None = None
    """Name of the threat."""
    recommender: str | None = None
    """Name of the recommender, where the threat aims at one."""
    attack: str
    """Name of the attack."""
    norm: str | None = None
    """``linf`` or ``l2``."""
    eps: float | None = None
    """Budget in units of [0,1] pixels."""
    steps: int | None = None
    """Steps of the attack."""
    seed: int | None = None
    """Seed of the run."""
    attack_item: str
    """Id of the item whose image is changed."""
    target_item: str
    """Id of the item in whose list it is to appear."""
    rank_before: int | None = None
    """Rank of the untouched item in the target's list."""
    rank_after: int | None = None
    """Rank of the attacked item."""
    cosine_before: float | None = None
    """Cosine similarity of the pair before the attack."""
    cosine_after: float | None = None
    """Cosine similarity of the pair after the attack."""
    original: str
    """Name of the (H,W,3) uint8 array."""
    perturbed: str
    """Name of the (H,W,3) uint8 array."""
    target: str
    """Name of the (H,W,3) uint8 array."""
    neighbours_before: tuple[Neighbour, ...] = ()
    """The target's list over the clean catalog, best first."""
    neighbours_after: tuple[Neighbour, ...] = ()
    """The target's list over the catalog with the attacked image."""


class Projection(Part):
    """A t-SNE projection of embeddings."""

    defense: str | None = None
    """Name of the defense."""
    seed: int | None = None
    """Seed of the run."""
    points: str
    """Name of the (M,2) array."""
    labels: str
    """Name of the (M,) integer array; -1 is unlabelled."""
    categories: tuple[str, ...] = ()
    """Names of the labels."""


class Distances(Part):
    """Cosine distances of the pairs of one cell before and after its attack."""

    defense: str | None = None
    """Name of the defense."""
    threat: str | None = None
    """Name of the threat."""
    recommender: str | None = None
    """Name of the recommender, where the threat aims at one."""
    attack: str
    """Name of the attack."""
    norm: str | None = None
    """``linf`` or ``l2``."""
    eps: float | None = None
    """Budget in units of [0,1] pixels."""
    steps: int | None = None
    """Steps of the attack."""
    seed: int | None = None
    """Seed of the run."""
    before: str
    """Name of the (n,) array."""
    after: str
    """Name of the (n,) array."""


class Exhibits(Part):
    """Index of the arrays in exhibits.npz."""

    examples: tuple[Example, ...] = ()
    """Attacked pairs with pictures."""
    tsne: tuple[Projection, ...] = ()
    """Projections of embeddings."""
    distances: tuple[Distances, ...] = ()
    """Distances before and after attacks."""


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
    versions: dict[str, str] = {}
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
