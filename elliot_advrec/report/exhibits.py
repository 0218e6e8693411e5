"""The index of the arrays in exhibits.npz."""

from __future__ import annotations

from elliot_advrec.report.part import Part


class Cell(Part):
    """What an exhibit was made of: one attack on one system."""

    defense: str | None = None
    """Name of the defense."""
    threat: str | None = None
    """Name of the threat."""
    recommender: str | None = None
    """Name of the recommender, where the threat aims at one."""
    attack: str
    """Name of the attack."""
    knowledge: str | None = None
    """What the attacker knows of the filter or detector in front of the extractor, where one stands there."""
    norm: str | None = None
    """``linf`` or ``l2``."""
    eps: float | None = None
    """Budget in units of [0,1] pixels."""
    steps: int | None = None
    """Steps of the attack."""
    seed: int | None = None
    """Seed of the run."""


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


class Example(Cell):
    """One attacked pair with its pictures."""

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


class Shift(Cell):
    """A t-SNE projection of what a filter and attacks through it did to the pictures of attacked items."""

    points: str
    """Name of the (M,2) array."""
    labels: str
    """Name of the (M,) integer array, places in ``groups``."""
    groups: tuple[str, ...]
    """``clean``, ``filtered`` where there is a filter, and what the attackers of the others know."""
    refused: tuple[int, ...]
    """How many attacked pictures of each group were refused, and so are not among the points."""


class Distances(Cell):
    """Cosine distances of the pairs of one cell before and after its attack."""

    before: str
    """Name of the (n,) array."""
    after: str
    """Name of the (n,) array."""


class Suspicion(Cell):
    """A detector's scores of clean pictures that nothing was fitted on, and of attacked ones."""

    clean: str
    """Name of the (m,) array; it may be empty."""
    attacked: str
    """Name of the (n,) array."""
    threshold: float
    """Scores above it are flagged."""


class Exhibits(Part):
    """Index of the arrays in exhibits.npz."""

    examples: tuple[Example, ...] = ()
    """Attacked pairs with pictures."""
    tsne: tuple[Projection, ...] = ()
    """Projections of embeddings."""
    shifts: tuple[Shift, ...] = ()
    """Projections of clean, filtered and attacked pictures in one map."""
    distances: tuple[Distances, ...] = ()
    """Distances before and after attacks."""
    suspicion: tuple[Suspicion, ...] = ()
    """Scores of detectors."""
