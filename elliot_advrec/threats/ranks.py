"""Exact places in neighbour lists in which one item was replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from elliot_advrec.threats.base import Targets

PAIRS = 256
ITEMS = 16384
"""Block sizes: at most PAIRS x ITEMS similarities are held at a time, whatever the catalog's size."""

# Similarities this close in float32 may be rounding; they are compared again in float64.
DOUBT = 4e-6


@dataclass(frozen=True)
class Ranks:
    """Places of n replaced items."""

    rank: np.ndarray
    """(n,) int64 in 1..N-1."""
    cosine: np.ndarray
    """(n,) float32 cosine similarity to the target."""


@torch.no_grad()
def neighbour_ranks(embeddings: Tensor, targets: Targets, stand_ins: Sequence[Tensor]) -> list[Ranks]:
    """Where the attacked items stand among their targets' neighbours by cosine.

    Rank = 1 + the number of items, other than the target and the attacked one, that are at least as similar
    to the target as what stands in for the attacked one.

    Args:
        embeddings: (N,D) catalog; its device does the work.
        targets: n pairs of catalog rows.
        stand_ins: (n,D) each: what replaces the attacked items' own embeddings; one pass ranks them all.

    Raises:
        ValueError: shapes that do not fit, or an embedding that is NaN or infinite.
    """
    shape, device = (len(targets), embeddings.shape[1]), embeddings.device
    for stand_in in stand_ins:
        if stand_in.shape != shape:
            raise ValueError(f"attacked embeddings must be {shape}, got {tuple(stand_in.shape)}")
        if not bool(stand_in.isfinite().all()):
            raise ValueError("an attacked embedding is NaN or infinite")
    attack = torch.as_tensor(targets.attack, device=device)
    target = torch.as_tensor(targets.target, device=device)
    wanted = _unit(embeddings[target])
    cosines = [_dots(_unit(stand_in.to(device)), wanted) for stand_in in stand_ins]
    nearer = [torch.zeros(len(targets), dtype=torch.long, device=device) for _ in stand_ins]
    for first in range(0, len(embeddings), ITEMS):
        block = _unit(embeddings[first : first + ITEMS])
        if not bool(block.isfinite().all()):
            raise ValueError("an embedding of the catalog is NaN or infinite")
        for start in range(0, len(targets), PAIRS):
            some = slice(start, start + PAIRS)
            similar = wanted[some] @ block.T
            _leave_out(similar, attack[some] - first)
            _leave_out(similar, target[some] - first)
            for cosine, count in zip(cosines, nearer, strict=True):
                count[some] += _count_nearer(similar, cosine[some], block, wanted[some])
    return [
        Ranks((count + 1).cpu().numpy(), cosine.float().cpu().numpy())
        for cosine, count in zip(cosines, nearer, strict=True)
    ]


@torch.no_grad()
def nearest_cosine(embeddings: Tensor, targets: Targets) -> Tensor:
    """(n,) cosine of each target to the nearest of all items but itself and the attacked one.

    Args:
        embeddings: (N,D) catalog.
        targets: n pairs of catalog rows.
    """
    attack = torch.as_tensor(targets.attack, device=embeddings.device)
    target = torch.as_tensor(targets.target, device=embeddings.device)
    wanted = _unit(embeddings[target])
    best = wanted.new_full((len(targets),), -torch.inf)
    for first in range(0, len(embeddings), ITEMS):
        similar = wanted @ _unit(embeddings[first : first + ITEMS]).T
        _leave_out(similar, attack - first)
        _leave_out(similar, target - first)
        torch.maximum(best, similar.amax(1), out=best)
    return best


def _count_nearer(similar: Tensor, cosine: Tensor, block: Tensor, wanted: Tensor) -> Tensor:
    """(p,) how many of a block's items are at least as similar to each wanted one as ``cosine`` (p,) says."""
    gap = similar - cosine[:, None].float()
    count = (gap > DOUBT).sum(1)
    doubtful = (gap.abs() <= DOUBT).nonzero()
    for pair, item in (part.T for part in doubtful.split(PAIRS * 32)):
        count.index_add_(0, pair, (_dots(block[item], wanted[pair]) >= cosine[pair]).long())
    return count


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors.float(), dim=1)


def _dots(left: Tensor, right: Tensor) -> Tensor:
    """(b,) float64 dot products of two (b,D); equal rows give equal bits, unlike a matrix product."""
    return (left.double() * right.double()).sum(1)


def _leave_out(similar: Tensor, columns: Tensor) -> None:
    """Put each row's own column, where it lies in this block, beyond reach."""
    row = ((columns >= 0) & (columns < similar.shape[1])).nonzero().flatten()
    similar[row, columns[row]] = -torch.inf
