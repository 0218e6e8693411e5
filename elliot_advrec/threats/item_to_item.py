"""Make one item's picture bring it among another item's nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.errors import UserError
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.ranks import nearest_cosine, neighbour_ranks
from elliot_advrec.threats.rows import mean_row, median_row
from elliot_advrec.threats.scene import Network, Scene

CLEARLY = 2e-3
"""By how much of cosine the first place must be won before an attack may rest: more than bf16 rounds away."""


class ItemToItemConfig(Config):
    """Settings of the item-to-item threat."""

    pairs: int = Field(default=500, ge=1)
    """Random (attack item, target item) pairs; attack items are distinct while the catalog has enough."""
    rank_min: tuple[int, ...] = Field(default=(1, 3, 10, 100), min_length=1)
    """Success at r: the attack item stands among the target's r nearest neighbours."""

    @field_validator("rank_min")
    @classmethod
    def _ranks(cls, ranks: tuple[int, ...]) -> tuple[int, ...]:
        if min(ranks) < 1 or len(set(ranks)) < len(ranks):
            raise ValueError(f"rank_min must be distinct ranks of 1 or more, got {list(ranks)}")
        return tuple(sorted(ranks))


class ItemToItem(Threat):
    """Move an attack item A into the neighbour list of a target item T (Komal 2022).

    The adversary knows the extractor and minimises the cosine distance of F(A + delta) and F(T). The rank
    of A is its place among T's neighbours by cosine over the whole catalog: T is left out and A's clean entry
    is replaced by the attacked one.
    """

    config_class = ItemToItemConfig
    config: ItemToItemConfig
    counted = frozenset({"pairs", "rank_min"})

    @property
    def pairs(self) -> int:
        """How many pairs ``draw`` gives."""
        return self.config.pairs

    def fits(self, catalog: Catalog) -> None:
        """Refuse a catalog with fewer distinct pairs than asked for."""
        self._enough(len(catalog.ids))

    def _enough(self, items: int) -> None:
        possible = items * (items - 1)
        if self.config.pairs > possible:
            raise UserError(
                f"{self.config.pairs} pairs of different items cannot be drawn from {items} items",
                where="pairs",
                remedy=f"ask for at most {possible}" if possible > 0 else "the catalog needs 2 items or more",
            )

    def draw(self, scene: Scene, seed: int) -> Targets:
        """``pairs`` distinct pairs, A != T, decided by the catalog's size and ``seed``.

        Raises:
            UserError: the catalog has fewer distinct pairs than asked for.
        """
        items, pairs = len(scene), self.config.pairs
        self._enough(items)
        attacks, shifts = (
            np.random.default_rng(stream_seed(seed, "item_to_item", part)) for part in ("attack", "target")
        )
        order, shift = attacks.permutation(items), shifts.integers(items - 1, size=items)
        place = np.arange(pairs)
        attack = order[place % items].astype(np.int64)
        # A second round over the catalog gives every item its next target, so no pair comes twice.
        target = (attack + 1 + (shift[attack] + place // items) % (items - 1)) % items
        return Targets(attack, target)

    def names(self, scene: Scene, targets: Targets) -> list[str]:
        """Ids of the target items."""
        assert scene.catalog is not None
        return [scene.catalog.ids[row] for row in targets.target]

    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """``1 - cos(F(pixels), F(T))`` of each pair, in [0,2]; F(T) is the clean embedding.

        Ensembles may also follow ``euclidean``, the squared distance of the embeddings over that of F(T) from
        0; solved is who stands first among T's neighbours.
        """
        # A caller's inference_mode would make a constant that no gradient may pass beside.
        with torch.inference_mode(False), torch.no_grad():
            catalog = torch.as_tensor(scene.embeddings)
            wanted = catalog[torch.as_tensor(targets.target, device=catalog.device)].float()
        unit = functional.normalize(wanted, dim=1)
        scale = wanted.square().sum(1).clamp_min(1e-12)
        first: list[Tensor] = []

        def cosine(embedding: Tensor, rows: Tensor) -> Tensor:
            return functional.cosine_similarity(embedding.float(), unit.to(embedding.device)[rows], dim=1)

        def distance(embedding: Tensor, rows: Tensor) -> Tensor:
            return 1.0 - cosine(embedding, rows)

        def euclidean(embedding: Tensor, rows: Tensor) -> Tensor:
            gap = embedding.float() - wanted.to(embedding.device)[rows]
            return gap.square().sum(1) / scale.to(embedding.device)[rows]

        def solved(embedding: Tensor, rows: Tensor) -> Tensor:
            if not first:  # only for attacks that ask
                first.append(nearest_cosine(catalog, targets).to(embedding.device))
            return cosine(embedding, rows) > first[0][rows] + CLEARLY

        return EmbeddingLoss(extractor.embed, distance, {"euclidean": euclidean}, solved)

    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """Ranks and similarities of each pair before and after.

        Returns:
            ``rank_before``, ``rank_after`` (n,) int64, 1 the nearest and N - 1 the farthest; an item exactly
            as similar to T as A is counts as nearer, so ties go against the adversary. ``cosine_before``,
            ``cosine_after`` (n,) float32, cosine similarity of A and T.
        """
        catalog = torch.as_tensor(scene.embeddings)
        clean = catalog[torch.as_tensor(targets.attack, device=catalog.device)]
        before, after = neighbour_ranks(catalog, targets, [clean, torch.as_tensor(attacked)])
        return {
            "rank_before": before.rank,
            "rank_after": after.rank,
            "cosine_before": before.cosine,
            "cosine_after": after.cosine,
        }

    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """A is among T's ``rank_min`` nearest, at each ``rank_min``."""
        ranks = pairs[f"rank_{moment}"]
        return [Success({"rank_min": limit}, ranks <= limit) for limit in self.config.rank_min]

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Median ranks, and mean cosines with their intervals."""
        return [
            *(mean_row(name, pairs[name]) for name in ("cosine_before", "cosine_after")),
            *(median_row(name, pairs[name]) for name in ("rank_before", "rank_after")),
        ]
