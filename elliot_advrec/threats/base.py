"""What a threat decides: who is attacked, what the attack minimises, and what counts as success."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.component import Component
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats.scene import Network, Scene

Moment = Literal["before", "after", "after_8bit", "after_resubmitted"]
"""The untouched picture, the attacked one, the attacked one as an 8-bit file holds it, and the best of
several tries, where something stands in front of the extractor."""


@dataclass(frozen=True)
class Targets:
    """The attacked pictures, and what each of them is aimed at."""

    attack: np.ndarray
    """(n,) int64 catalog rows: items whose image the adversary changes."""
    target: np.ndarray
    """(n,) int64: what they are moved towards; the threat says whether an item, a category or a user."""
    raised: np.ndarray | None = None
    """(n,) bool: whether the adversary pushes the item up; None: always."""

    def __len__(self) -> int:
        return len(self.attack)

    def slice(self, start: int, stop: int) -> Targets:
        """Pairs ``start`` to ``stop`` - 1."""
        raised = None if self.raised is None else self.raised[start:stop]
        return Targets(self.attack[start:stop], self.target[start:stop], raised)

    def first(self, count: int) -> Targets:
        """The first ``count`` pairs; all of them where there are fewer."""
        return self.slice(0, count)


class Success(NamedTuple):
    """One rule of success: the columns that name it in a row, and (n,) bool, whether each pair met it."""

    columns: Mapping[str, Any]
    met: np.ndarray


class Threat(Component, ABC):
    """A goal: it knows nothing of optimisers, as attacks know nothing of goals.

    Authors write the abstract methods; all arrays that ``judge`` gives are kept in the store, and everything
    that is counted from them later (``successes``, ``rows``) decides nothing about the attack.

    Args:
        config: settings, an instance of ``config_class``; its defaults if absent.
    """

    on_recommender: ClassVar[bool] = False
    """Whether it aims at a recommender, so that each one is attacked by itself; if not, at the extractor."""
    on_interactions: ClassVar[bool] = False
    """Whether it looks at the interactions (where it aims at a recommender, it may do so in any case)."""
    needs_categories: ClassVar[bool] = False
    """Whether the catalog must have category labels."""
    one_catalog: ClassVar[bool] = True
    """Whether all attacked pictures can stand in one catalog, which is then ranked again for every user."""
    names_pictures: ClassVar[bool] = False
    """Whether its loss names, for each attacked item, the picture of another one that attacks may imitate."""
    counted: ClassVar[frozenset[str]] = frozenset({"pairs"})
    """Settings that only count results (or how many pairs there are), and so decide nothing of an attack."""

    @property
    @abstractmethod
    def pairs(self) -> int:
        """How many pairs ``draw`` gives at most."""

    @property
    def together(self) -> int:
        """How many pairs in a row are judged as one; ``draw`` gives whole groups."""
        return 1

    @property
    def white_box(self) -> bool:
        """Whether the adversary may differentiate its loss; if not, it sees values alone."""
        return True

    @property
    def blind(self) -> bool:
        """Whether the adversary does not even see values, so that only attacks that imitate can serve it."""
        return False

    def caveat(self) -> str | None:
        """Why these settings may miss their own goal, one sentence for the report; None: no reason."""
        return None

    def fits(self, catalog: Catalog) -> None:
        """Refuse a catalog whose labels and size alone show that nobody could be attacked.

        It is asked before anything is trained; ``draw`` knows all the rest.

        Raises:
            UserError: says what does not fit.
        """

    def most(self, catalog: Catalog) -> int:
        """How many pairs ``draw`` gives at most over this catalog, by its labels alone; for estimates."""
        return self.pairs

    def suits(self, recommender: type[Recommender]) -> str | None:
        """Why a kind of recommender cannot be attacked, one phrase; None where it can.

        Args:
            recommender: sees pictures through the recipe's extractor, that much is checked before.
        """
        if self.on_recommender and self.white_box and not recommender.differentiable:
            return "its scores have no gradient that could be followed"
        return None

    @abstractmethod
    def draw(self, scene: Scene, seed: int) -> Targets:
        """Who is attacked; decided by the scene's data and ``seed`` alone.

        The first m pairs of a larger draw are the draw of m, so attacks on fewer pairs share theirs.

        Raises:
            UserError: nobody can be.
        """

    @abstractmethod
    def names(self, scene: Scene, targets: Targets) -> Sequence[str]:
        """What each attacked item is aimed at; with the item's id it seeds the pair's random stream."""

    @abstractmethod
    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """The per-sample loss of one batch of pairs; rows are places in ``targets``."""

    @abstractmethod
    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """What the attacked embeddings (n,D) achieved, one (n, ...) array a measure.

        A measure that depends on the picture is called ``NAME_before`` for the untouched one and
        ``NAME_after`` for the attacked one.
        """

    @abstractmethod
    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """Whether each pair succeeded, by each rule of the recipe.

        Args:
            pairs: what ``judge`` gave; measures of the rounded pictures are there as ``NAME_after_8bit``.
            moment: which measure is looked at.
        """

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Further result rows of this threat, as ``experiment.stages.row`` makes them."""
        return []

    def exposed(self, scene: Scene) -> np.ndarray | None:
        """(m,) items whose share of the lists is reported (CHR@k); None: of none."""
        return None
