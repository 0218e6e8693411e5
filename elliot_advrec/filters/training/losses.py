"""What a reconstruction is judged by: its pixels, its features, and the ranking that it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.seeding import stream_seed

Score = Callable[[np.ndarray, np.ndarray, Tensor], Tensor]
"""(user rows (n,), catalog rows (n,), pixels (n, 3, H, W)) -> (n,) scores of these users for these items with
these pictures, differentiable in the pixels."""


def pixel_loss(found: Tensor, clean: Tensor) -> Tensor:
    """(B,) squared differences of pictures (B, 3, H, W), summed over pixels (Yin et al. 2023, eq. 6)."""
    return (found - clean).square().sum((1, 2, 3))


def bpr_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """(n,) -ln sigmoid(s_ui - s_uj) (Rendle et al. 2009; Yin et al. 2023, eq. 11)."""
    return F.softplus(negative - positive)


class PerceptualLoss:
    """Differences of feature maps at stages of an extractor's backbone (Johnson et al. 2016; eq. 5 of Yin).

    Args:
        extractor: whose backbone looks.
        stages: numbers of its stages in timm's count, deeper last.

    Raises:
        UserError: a backbone without stages, or a stage that it does not have.
    """

    def __init__(self, extractor: FrozenExtractor, stages: Sequence[int]) -> None:
        self.extractor, self.stages = extractor, sorted(stages)
        backbone = extractor.network.backbone
        name = extractor.config.backbone
        if not hasattr(backbone, "forward_intermediates"):
            raise UserError(
                f"the backbone '{name}' gives no feature maps",
                where="perceptual_stages",
                remedy="write perceptual_stages: [], or take another backbone",
            )
        count = len(getattr(backbone, "feature_info", ()))
        wrong = [stage for stage in self.stages if not 0 <= stage < count]
        if wrong:
            raise UserError(
                f"the backbone '{name}' has no stage {wrong[0]}",
                where="perceptual_stages",
                remedy=f"write stages from 0 to {count - 1}",
            )

    def features(self, pixels: Tensor) -> list[Tensor]:
        """Float32 feature maps (B, C, h, w) of (B, 3, H, W) pictures, one a stage."""
        if not self.stages:
            return []
        network = self.extractor.network
        normal = (pixels - network.mean) / network.std
        kind = next(network.backbone.parameters()).dtype
        normal = normal.to(kind, memory_format=torch.channels_last)
        found = network.backbone.forward_intermediates(  # type: ignore[operator]
            normal, indices=self.stages, intermediates_only=True
        )
        return [maps.float() for maps in found]

    def __call__(self, found: Tensor, clean: Sequence[Tensor]) -> Tensor:
        """(B,) squared differences of ``found`` (B, 3, H, W) to the clean pictures' ``features``.

        The mean over each map, summed over stages.
        """
        total = found.new_zeros(len(found))
        for maps, expected in zip(self.features(found), clean, strict=True):
            total = total + (maps - expected).square().flatten(1).mean(1)
        return total


@dataclass(frozen=True)
class Ranking:
    """A fitted recommender, as far as the training of a filter looks at it.

    Args:
        triples: (T, 3) int64: a user row, the catalog row of an item it took, that of one it did not.
        score: its scores as a differentiable function of pixels; frozen.
    """

    triples: np.ndarray = field(repr=False)
    score: Score

    def __post_init__(self) -> None:
        if self.triples.ndim != 2 or self.triples.shape[1] != 3 or self.triples.dtype.kind not in "iu":
            raise ValueError(f"triples must be (T, 3) whole numbers, got {self.triples.shape}")
        ordered = self.triples[np.argsort(self.triples[:, 1], kind="stable")]
        object.__setattr__(self, "triples", ordered)

    def draw(self, rows: np.ndarray, *seed: object) -> tuple[np.ndarray, np.ndarray]:
        """A triple of each of ``rows`` (n,) as the item that was taken, drawn by (seed, row).

        Returns:
            Users and rows of the other items, (n,) each; -1 where an item was taken by nobody.
        """
        first = np.searchsorted(self.triples[:, 1], rows, "left")
        count = np.searchsorted(self.triples[:, 1], rows, "right") - first
        drawn = np.array([stream_seed(*seed, int(row)) for row in rows], dtype=np.int64)
        known = count > 0
        users, others = np.full(len(rows), -1), np.full(len(rows), -1)
        chosen = self.triples[first[known] + drawn[known] % count[known]]
        users[known], others[known] = chosen[:, 0], chosen[:, 2]
        return users, others
