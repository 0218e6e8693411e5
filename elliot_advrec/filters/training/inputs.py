"""The attacked pictures that a filter learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.attacks.base import Attack
from elliot_advrec.attacks.budget import Budget
from elliot_advrec.attacks.fgsm import FGSM, FGSMConfig
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.filters.training.config import FilterTrainingConfig
from elliot_advrec.filters.training.losses import Ranking
from elliot_advrec.streams import Streams


@dataclass(frozen=True)
class Pictures:
    """N pictures of a step and who is to be misled about them."""

    rows: np.ndarray
    """(N,) catalog rows."""
    pixels: Tensor
    """(N, 3, H, W) clean, in [0, 1]."""
    users: np.ndarray
    """(N,) user rows, -1 where an item is attacked by its embedding alone."""
    raised: np.ndarray
    """(N,) bool, whether the user's score is to rise (a negative's picture) rather than to fall."""
    seeds: list[int]
    """N, one for each picture's random start."""


class Adversary:
    """FGSM and PGD on what the pictures are for.

    The picture of a triple moves the user's score the wrong way, which raises the BPR loss (Yin et al. 2023,
    eq. 3); any other one moves its embedding towards that of another training item (Tuinhof et al. 2018's
    neighbours, as the item-to-item threat has it).

    Args:
        config: steps.
        see: pixels in [0, 1] to the pixels that the extractor sees; the identity for an oblivious attacker.
        embed: the frozen extractor, (n, 3, H, W) -> (n, D).
        ranking: the recommender, where there is one.
    """

    def __init__(
        self,
        config: FilterTrainingConfig,
        see: Callable[[Tensor], Tensor],
        embed: Callable[[Tensor], Tensor],
        ranking: Ranking | None,
    ) -> None:
        self.see, self.embed, self.ranking = see, embed, ranking
        # The last point, as the papers train on: it spares a forward pass, and failures are examples too.
        pgd = PGDConfig(steps=config.pgd_steps, step_rule="scaled", keep="last")
        self.attacks: dict[str, Attack] = {"fgsm": FGSM(FGSMConfig(keep="last")), "pgd": PGD(pgd)}

    def attack(self, pictures: Pictures, kinds: Sequence[str], targets: Tensor, eps: float) -> Tensor:
        """(N, 3, H, W) attacked pictures.

        Args:
            pictures: N clean ones.
            kinds: N of ``fgsm``, ``pgd``, or ``clean`` for pictures that stay as they are.
            targets: (N, D) embeddings to imitate, looked at where a picture has no user.
            eps: L-infinity radius, in pixels of [0, 1].
        """
        budget = Budget("linf", eps)
        found = pictures.pixels.clone()
        named, ranked = np.asarray(kinds), pictures.users >= 0
        for kind, attack in self.attacks.items():
            for by_rank in (False, True):
                places = np.flatnonzero((named == kind) & (ranked == by_rank))
                if not len(places):
                    continue
                loss = self._by_rank(pictures, places) if by_rank else self._by_embedding(targets[places])
                streams = Streams([pictures.seeds[place] for place in places])
                found[places] = attack(loss, pictures.pixels[places], budget, streams).images
        return found

    def _by_embedding(self, targets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        def loss(pixels: Tensor, rows: Tensor) -> Tensor:
            return -F.cosine_similarity(self.embed(self.see(pixels)), targets[rows])

        return loss

    def _by_rank(self, pictures: Pictures, places: np.ndarray) -> Callable[[Tensor, Tensor], Tensor]:
        assert self.ranking is not None
        score = self.ranking.score

        def loss(pixels: Tensor, rows: Tensor) -> Tensor:
            chosen = places[rows.cpu().numpy()]
            sign = torch.where(torch.from_numpy(pictures.raised[chosen]), -1.0, 1.0).to(pixels.device)
            return sign * score(pictures.users[chosen], pictures.rows[chosen], self.see(pixels))

        return loss
