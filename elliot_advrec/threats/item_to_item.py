"""Make one item's picture bring it among another item's nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from elliot_advrec.attacks.problem import Loss
from elliot_advrec.component import Config
from elliot_advrec.errors import UserError
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Embedder, Targets, Threat
from elliot_advrec.threats.ranks import neighbour_ranks


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

    @property
    def pairs(self) -> int:
        """How many pairs ``draw`` gives."""
        return self.config.pairs

    def draw(self, n_items: int, seed: int) -> Targets:
        """``pairs`` distinct pairs, A != T, decided by ``n_items`` and ``seed``.

        The first m pairs of a larger draw are the draw of m, so attacks on fewer pairs share theirs.

        Raises:
            UserError: the catalog has fewer distinct pairs than asked for.
        """
        pairs, possible = self.config.pairs, n_items * (n_items - 1)
        if pairs > possible:
            raise UserError(
                f"{pairs} pairs of different items cannot be drawn from {n_items} items",
                where="pairs",
                remedy=f"ask for at most {possible}" if possible > 0 else "the catalog needs 2 items or more",
            )
        attacks, shifts = (
            np.random.default_rng(stream_seed(seed, "item_to_item", part)) for part in ("attack", "target")
        )
        order, shift = attacks.permutation(n_items), shifts.integers(n_items - 1, size=n_items)
        place = np.arange(pairs)
        attack = order[place % n_items].astype(np.int64)
        # A second round over the catalog gives every item its next target, so no pair comes twice.
        target = (attack + 1 + (shift[attack] + place // n_items) % (n_items - 1)) % n_items
        return Targets(attack, target)

    def loss(
        self,
        extractor: Embedder,
        attack_rows: np.ndarray,
        target_rows: np.ndarray,
        embeddings: np.ndarray | Tensor,
    ) -> Loss:
        """``1 - cos(F(pixels), F(T))`` of each pair, in [0,2]; F(T) is the clean embedding.

        Args:
            extractor: what embeds the pixels.
            attack_rows: (b,) attacked items; the loss depends only on their pixels.
            target_rows: (b,) target items.
            embeddings: (N,D) clean embeddings.
        """
        if len(attack_rows) != len(target_rows):
            raise ValueError(f"{len(attack_rows)} attack rows but {len(target_rows)} target rows")
        # A caller's inference_mode would make a constant that no gradient may pass beside.
        with torch.inference_mode(False), torch.no_grad():
            wanted = functional.normalize(torch.as_tensor(embeddings[target_rows]).float(), dim=1)

        def distance(pixels: Tensor, rows: Tensor) -> Tensor:
            nonlocal wanted
            wanted = wanted.to(pixels.device)
            return 1.0 - functional.cosine_similarity(extractor.embed(pixels).float(), wanted[rows], dim=1)

        return distance

    def judge(
        self, embeddings: np.ndarray | Tensor, targets: Targets, attacked: np.ndarray | Tensor
    ) -> dict[str, np.ndarray]:
        """Ranks and similarities of each pair before and after.

        Args:
            embeddings: (N,D) clean embeddings of the catalog.
            targets: the n pairs.
            attacked: (n,D) embeddings of the attacked images.

        Returns:
            ``rank_before``, ``rank_after`` (n,) int64, 1 the nearest and N - 1 the farthest; an item exactly
            as similar to T as A is counts as nearer, so ties go against the adversary. ``cosine_before``,
            ``cosine_after`` (n,) float32, cosine similarity of A and T.
        """
        catalog = torch.as_tensor(embeddings)
        clean = catalog[torch.as_tensor(targets.attack, device=catalog.device)]
        before, after = neighbour_ranks(catalog, targets, [clean, torch.as_tensor(attacked)])
        return {
            "rank_before": before.rank,
            "rank_after": after.rank,
            "cosine_before": before.cosine,
            "cosine_after": after.cosine,
        }
