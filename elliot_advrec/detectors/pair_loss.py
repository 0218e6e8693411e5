"""The contrastive loss of the paper: one ratio of sums over the pairs of an item."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elliot_advrec.errors import UserError

POSITIVE = ((0, 1), (0, 3), (1, 3))
"""S_pos among (clean, reconstructed clean, attacked, reconstructed attacked)."""
NEGATIVE = ((2, 0), (2, 3), (1, 2))
"""S_neg among them."""


def item_pairs(count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """pytorch-metric-learning's tuple (anchor, positive, anchor, negative) over 4 * count stacked vectors.

    Kind k of item i stands at k * count + i; the pairs of one kind of all items follow each other.
    """
    items = torch.arange(count, device=device)

    def side(pairs: tuple[tuple[int, int], ...], which: int) -> Tensor:
        return torch.cat([items + count * pair[which] for pair in pairs])

    return side(POSITIVE, 0), side(POSITIVE, 1), side(NEGATIVE, 0), side(NEGATIVE, 1)


def pair_ratio_loss(temperature: float) -> Any:
    """A pytorch-metric-learning loss: -log(sum_pos exp(sim / tau) / sum_all exp(sim / tau)) for each item.

    Yin et al. 2023, eq. 9, with cosine similarity. Called with (4 n, d) vectors and the tuple of
    ``item_pairs(n)``, it gives (n,) losses; it has no reducer.

    Args:
        temperature: tau, above 0.

    Raises:
        UserError: pytorch-metric-learning is not installed.
    """
    try:
        from pytorch_metric_learning.distances import CosineSimilarity
        from pytorch_metric_learning.losses import GenericPairLoss
        from pytorch_metric_learning.reducers import DoNothingReducer
    except ImportError as error:
        raise UserError(
            "training the contrastive detector needs pytorch-metric-learning, which is not installed",
            remedy="pip install 'elliot-advrec[detect]'",
        ) from error

    class PairRatioLoss(GenericPairLoss):  # type: ignore[misc]  # the library has no types
        """Sums over the pairs of an item stand inside one logarithm, unlike InfoNCE's one term a pair."""

        def __init__(self) -> None:
            super().__init__(mat_based_loss=False, distance=CosineSimilarity(), reducer=DoNothingReducer())

        def _compute_loss(self, pos_pair: Tensor, neg_pair: Tensor, indices_tuple: Any) -> dict[str, Any]:
            positive = pos_pair.view(len(POSITIVE), -1) / temperature
            negative = neg_pair.view(len(NEGATIVE), -1) / temperature
            every = torch.cat([positive, negative]).logsumexp(0)
            losses = every - positive.logsumexp(0)
            items = torch.arange(len(losses), device=losses.device)
            return {"loss": {"losses": losses, "indices": items, "reduction_type": "element"}}

        def forward(self, vectors: Tensor, indices_tuple: Any) -> Tensor:
            found: Tensor = super().forward(vectors, indices_tuple=indices_tuple)["loss"]["losses"]
            return found

    return PairRatioLoss()
