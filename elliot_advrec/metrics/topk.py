"""The k best columns of each row, the same ones whatever the batch, thread count or device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Columns whose largest score stands for them all while the best are sought; 128 was fastest of 32 to 512.
CHUNK = 128


def top_k_scored(scores: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest scores of each row; equal scores go by column, which ``torch.topk`` leaves open.

    Args:
        scores: (b, N) float, -inf where a column may not be chosen; no NaN.
        k: how many.

    Returns:
        (b, k) int64 columns, best first, -1 where fewer can be chosen; and (b, k) their scores, of the
        scores' type, -inf there.
    """
    rows, columns = scores.shape
    width = min(k, columns)
    chosen = np.full((rows, k), -1, dtype=np.int64)
    worth = np.full((rows, k), -np.inf, dtype=scores.new_zeros(0).cpu().numpy().dtype)
    if width and rows:
        ids, values = _best(scores, width)
        ids[values == -torch.inf] = -1
        chosen[:, :width], worth[:, :width] = ids.cpu().numpy(), values.cpu().numpy()
    return chosen, worth


def _best(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Columns and scores of the ``width`` best, best first.

    In a wide row they lie in the ``width`` chunks whose largest score is best, equal ones by position: any
    other chunk has ``width`` chunks before it, each with an item that goes before all of its own. So one pass
    over the row finds the chunks, and the rest is done on those alone.
    """
    columns = scores.shape[1]
    if 2 * width * CHUNK > columns:
        return _best_of_few(scores, width)
    whole = columns - columns % CHUNK
    largest = scores[:, :whole].unfold(1, CHUNK, CHUNK).amax(2)
    if whole < columns:
        largest = torch.cat([largest, scores[:, whole:].amax(1, keepdim=True)], dim=1)
    chunks = _best(largest, width)[0].sort(1).values
    within = torch.arange(CHUNK, device=scores.device)
    ids = (chunks.unsqueeze(2) * CHUNK + within).flatten(1)
    values = scores.gather(1, ids.clamp(max=columns - 1))
    values[ids >= columns] = -torch.inf
    picked, best = _best_of_few(values, width)
    return ids.gather(1, picked), best


def _best_of_few(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
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
    return ids.gather(1, order), values
