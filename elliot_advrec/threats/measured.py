"""What a pushed item did to the users it was meant for: score, place and hits, over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.metrics.listing import users_at_once
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Targets
from elliot_advrec.threats.crowd import Crowd
from elliot_advrec.threats.mock_users import Group
from elliot_advrec.threats.scene import Scene


class Measured(NamedTuple):
    """T (pair, user): on whom each pair's effect is measured, ordered by pair."""

    pair: np.ndarray
    user: np.ndarray


class Effect(NamedTuple):
    """Of n pairs, over their users."""

    score: np.ndarray
    """(n,) float64 mean score."""
    rank: np.ndarray
    """(n,) float64 median place, 1 the first."""
    hits: dict[int, np.ndarray]
    """k -> (n,) float64 share of the users with the item among their first k."""


def measured_users(scene: Scene, targets: Targets, group: Group, size: int) -> Measured:
    """The attacked user; all who have the segment item; ``size`` random users; never one who has the item.

    Args:
        size: of the sample that stands for a population; all are taken where there are fewer.
    """
    train = scene.fitted[1].train
    by_item = train.tocsc()
    orders: dict[int, np.ndarray] = {}
    found = []
    for item, aim in zip(targets.attack.tolist(), targets.target.tolist(), strict=True):
        if group == "specific":
            users = np.array([aim])
        elif group == "segment":
            users = _column(by_item, aim)
        else:
            if aim not in orders:
                random = np.random.default_rng(stream_seed(aim, "measured users"))
                orders[aim] = random.permutation(np.flatnonzero(np.diff(train.indptr)))
            # A few more than wanted, for those who have the item.
            users = orders[aim][: size + by_item.indptr[item + 1] - by_item.indptr[item]]
        lacking = users[~np.isin(users, _column(by_item, item))]
        if group == "specific" and not len(lacking):
            raise ValueError(f"item row {item} is in the history of the user it is pushed to")
        found.append(lacking[:size] if group == "population" else lacking)
    pairs = np.repeat(np.arange(len(found)), [len(users) for users in found])
    return Measured(pairs, np.concatenate([*found, np.empty(0, np.int64)]).astype(np.int64))


@torch.no_grad()
def effects(
    scene: Scene,
    targets: Targets,
    who: Measured,
    attacked: np.ndarray | Tensor,
    cutoffs: Sequence[int],
    *,
    raised: bool,
) -> tuple[Effect, Effect]:
    """Before and after each item's embedding became that of ``attacked`` (n, D), all others as they were.

    Training items are not ranked; equal scores count against the adversary.

    Raises:
        ValueError: an attacked embedding is NaN or infinite, or there are not n.
    """
    recommender, interactions = scene.fitted
    device = torch.as_tensor(scene.embeddings).device
    looks = torch.as_tensor(attacked).to(device)
    if len(looks) != len(targets):
        raise ValueError(f"there must be {len(targets)} attacked embeddings, got {len(looks)}")
    if not bool(looks.isfinite().all()):
        raise ValueError("an attacked embedding is NaN or infinite")
    rows = torch.arange(len(targets), device=device)
    scores, ranks = np.empty((2, len(who.user))), np.empty((2, len(who.user)))
    users = np.unique(who.user)
    step = max(1, users_at_once(interactions.train.shape[1]) // 4)  # sorted lists beside the scores
    for start in range(0, len(users), step):
        block = users[start : start + step]
        crowd = Crowd(
            recommender,
            block,
            interactions.train,
            targets.attack,
            raised=raised,
            open_items=interactions.trained() if scene.known_only else None,
            device=device,
        )
        here = np.flatnonzero((who.user >= block[0]) & (who.user <= block[-1]))
        at = torch.from_numpy(np.searchsorted(block, who.user[here])), torch.from_numpy(who.pair[here])
        now = crowd.scores(looks, rows)
        # A recommender whose other scores may change too ranks in worlds of its own.
        places = crowd.ranks_of(now, rows) if recommender.differentiable else crowd.ranks(looks, rows)
        before = crowd.lists.own
        for moment, (s, r) in enumerate(((before, crowd.ranks_of(before, rows)), (now, places))):
            scores[moment, here], ranks[moment, here] = s.cpu()[at].numpy(), r.cpu()[at].numpy()
    before_after = (_summed(len(targets), who, s, r, cutoffs) for s, r in zip(scores, ranks, strict=True))
    first, second = before_after
    return first, second


def _summed(n: int, who: Measured, scores: np.ndarray, ranks: np.ndarray, cutoffs: Sequence[int]) -> Effect:
    count = np.bincount(who.pair, minlength=n)
    ends = np.cumsum(count)[:-1]

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(who.pair, values, minlength=n) / count)

    median = np.array([np.median(own) for own in np.split(ranks, ends)]) if n else np.empty(0)
    return Effect(mean(scores), median, {k: mean((ranks <= k).astype(np.float64)) for k in cutoffs})


def _column(matrix: csr_matrix, item: int) -> np.ndarray:
    """(h,) rows with an entry in a column of a CSC matrix."""
    return np.asarray(matrix.indices[matrix.indptr[item] : matrix.indptr[item + 1]])
