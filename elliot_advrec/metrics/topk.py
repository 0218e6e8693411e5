"""The k best columns of each row, the same ones whatever the batch, thread count or device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def top_k(scores: Tensor, k: int) -> np.ndarray:
    """The k largest scores of each row; equal scores go by column, which ``torch.topk`` leaves open.

    Args:
        scores: (b, N) float, -inf where a column may not be chosen; no NaN.
        k: how many; where fewer can be chosen the rest is -1.

    Returns:
        (b, k) int64 columns, best first.
    """
    rows, columns = scores.shape
    width = min(k, columns)
    chosen = np.full((rows, k), -1, dtype=np.int64)
    if not width or not rows:
        return chosen
    values, ids = scores.topk(width)
    last = values[:, -1:]
    # Where more columns share the last score than fit, topk picked any of them: pick the first ones instead.
    tied = ((scores == last).sum(1) > (values == last).sum(1)).nonzero().squeeze(1)
    if len(tied):
        block, limit = scores[tied], last[tied]
        above = block > limit
        at = block == limit
        room = width - above.sum(1, keepdim=True)
        keep = above | (at & (at.cumsum(1) <= room))
        ids[tied] = keep.nonzero()[:, 1].view(len(tied), width)
    ids = ids.sort(1).values
    values, order = scores.gather(1, ids).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, order)
    ids[values == -torch.inf] = -1
    chosen[:, :width] = ids.cpu().numpy()
    return chosen
