"""Users who are asked about one changed item at a time: its score, and its place in their lists."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.metrics.listing import masked_scores, users_at_once
from elliot_advrec.recommenders import Recommender

ROUNDING = 1e-6
"""Scores this close, relative to their size and spread, may be one score that was summed in two ways."""


class Lists(NamedTuple):
    """What m users' lists hold while no item is changed."""

    table: Tensor
    """(m, w) float32 best scores, ascending, -inf for what may not be recommended; ``depth`` other items' and
    the changed item's own."""
    own: Tensor
    """(m, B) those of the items that are going to be changed."""
    spread: Tensor
    """(m,) standard deviation of what may be recommended."""


class Crowd:
    """Some users of a recommender, and the B items of which each is looked at as if it alone had changed.

    An item's place is 1 + the number of other items that may be recommended and score at least as much; equal
    scores count against the adversary, so where the item is to sink they stand behind it.

    Args:
        recommender: fitted.
        users: (m,) its user rows.
        histories: (U, N) what its users have, which is not recommended to them.
        items: (B,) item rows, one a pair; none is in the history of a user who is asked about it.
        raised: whether the adversary wants it to rise.
        open_items: (N,) bool, what may be recommended at all; None: everything.
        depth: places that are told apart; all that lie further are one. None: all.
        device: where lists are held.
    """

    def __init__(
        self,
        recommender: Recommender,
        users: np.ndarray,
        histories: csr_matrix,
        items: np.ndarray,
        *,
        raised: bool = True,
        open_items: np.ndarray | None = None,
        depth: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.recommender, self.users, self.histories, self.items = recommender, users, histories, items
        self.raised, self.open_items = raised, open_items
        self.size = histories.shape[1]
        self.depth = self.size if depth is None else min(depth, self.size)
        self.device = device or torch.device("cpu")

    @cached_property
    def lists(self) -> Lists:
        """Computed when first asked for: scores alone do not need it."""
        parts = []
        # A caller's inference_mode would make tensors that no gradient may pass beside.
        with torch.inference_mode(False), torch.no_grad():
            for block in self._blocks():
                scores = self._masked(self.recommender, block)
                best = scores.topk(min(self.depth + 1, self.size), dim=1).values.flip(1)
                open_ = scores > -torch.inf
                count = open_.sum(1).clamp_min(1)
                values = scores.masked_fill(~open_, 0.0)
                mean = values.sum(1) / count
                variance = ((values - mean[:, None]).square() * open_).sum(1) / count
                parts.append((best, scores[:, torch.from_numpy(self.items)], variance.sqrt()))
            return Lists(*(torch.cat(columns).to(self.device) for columns in zip(*parts, strict=True)))

    def scores(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(m, b) what each user would give these items; differentiable where the recommender is.

        Args:
            embeddings: (b, D) of the changed pictures.
            rows: (b,) which of the B items they belong to.
        """
        items = self.items[rows.cpu().numpy()]
        if self.recommender.differentiable:
            return self.recommender.item_scores(self.users, items, embeddings)
        worlds = [self.recommender.with_items(*one).scores(self.users) for one in _alone(items, embeddings)]
        columns = [world[:, item] for world, item in zip(worlds, items, strict=True)]
        return torch.stack(columns, 1).to(embeddings)

    @torch.no_grad()
    def ranks(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(m, b) int64 places of these items in the users' lists, at most ``depth`` + 1; 1 the first."""
        if self.recommender.differentiable:
            return self.ranks_of(self.scores(embeddings, rows), rows)
        items = self.items[rows.cpu().numpy()]
        found = []
        # Here a changed item may change what others score, so each is ranked in a world of its own.
        for item, one in zip(items, _alone(items, embeddings), strict=True):
            scores = self._masked(self.recommender.with_items(*one), self.users)
            own = scores[:, [item]].clone()
            scores[:, item] = -torch.inf
            found.append(((scores >= own) if self.raised else (scores > own)).sum(1))
        return (1 + torch.stack(found, 1).to(self.device)).clamp_max(self.depth + 1)

    @torch.no_grad()
    def ranks_of(self, scores: Tensor, rows: Tensor) -> Tensor:
        """(m, b) int64 places that items with these (m, b) scores would have, all others as they are."""
        lists = self.lists
        own, scores = lists.own[:, rows.to(self.device)], scores.to(lists.own)
        doubt = ROUNDING * (scores.abs() + lists.spread[:, None])
        limit = scores - doubt if self.raised else scores + doubt
        below = torch.searchsorted(lists.table, limit.contiguous(), right=not self.raised)
        itself = (own >= limit) if self.raised else (own > limit)
        return (1 + lists.table.shape[1] - below - itself.long()).clamp(1, self.depth + 1)

    def bar(self, k: int) -> Tensor:
        """(m, B) score of the k-th of each user's other items: who is above it is among the k best."""
        table, own = self.lists.table, self.lists.own
        kth, next_ = (table[:, max(table.shape[1] - place, 0), None] for place in (k, k + 1))
        return torch.where(own >= kth, next_, kth)

    def _masked(self, recommender: Recommender, users: np.ndarray) -> Tensor:
        return masked_scores(recommender, users, [self.histories], self.open_items, None)

    def _blocks(self) -> list[np.ndarray]:
        step = users_at_once(self.size)
        return [self.users[start : start + step] for start in range(0, len(self.users), step)]


def _alone(items: np.ndarray, embeddings: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each changed item by itself, as ``with_items`` takes it."""
    looks = embeddings.detach().float().cpu().numpy()
    return [(items[[place]], looks[[place]]) for place in range(len(items))]
