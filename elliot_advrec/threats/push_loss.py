"""The loss of pushing an item up or down: of whom, by what the adversary sees, towards what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from elliot_advrec.attacks.objective import EmbeddingLoss, OfEmbedding
from elliot_advrec.threats.base import Targets
from elliot_advrec.threats.crowd import Crowd
from elliot_advrec.threats.mock_users import Watched
from elliot_advrec.threats.popularity import most_popular
from elliot_advrec.threats.scene import Network, Scene
from elliot_advrec.threats.sight import PartialSight, RankSight, Sight
from elliot_advrec.threats.surrogates import partial_sight

Knowledge = Literal["white", "score", "rank", "partial"]
Objective = Literal["score", "margin", "rank"]
SOFTNESS = 0.2
"""Width of the sigmoid that stands for a comparison of scores, in standard deviations of a user's scores."""
CLEARLY = 1e-2
"""By how much of it a list must be entered before an attack may rest: more than bf16 rounds away."""

TINY = 1e-12
"""Least deviation: where all scores are equal."""


class Push:
    """Losses of n pairs that are pushed into the first k places of the watched users' lists, or out of them.

    Each pair has one active user at a time: that one at the percentile of the loss of all its users.

    Args:
        scene: with a fitted recommender.
        targets: pairs; nobody who is watched has the attacked item.
        watched: who stands for the attacked users.
        raised: up or down.
        knowledge: what is seen.
        k: length of the list that is to be entered, or left.
        percentile: 0 to 100, how far down the users lie, from the one who likes the item most.
        visible: how many places are shown, where knowledge is partial.
    """

    def __init__(
        self,
        scene: Scene,
        targets: Targets,
        watched: Watched,
        *,
        raised: bool,
        knowledge: Knowledge,
        k: int,
        percentile: float,
        visible: int,
    ) -> None:
        recommender, interactions = scene.fitted
        users, place = np.unique(watched.index, return_inverse=True)
        index, partial = place.reshape(watched.index.shape), knowledge == "partial"
        self.crowd = Crowd(
            watched.recommender,
            users,
            watched.histories,
            targets.attack,
            raised=raised,
            open_items=interactions.trained() if scene.known_only else None,
            depth=visible if partial else None,
            device=torch.as_tensor(scene.embeddings).device,
        )
        self.raised, self.k, self.partial = raised, k, partial
        if partial and raised:
            self.sight: Sight = partial_sight(recommender, interactions, watched, self.crowd, index)
        else:
            kinds = {"rank": RankSight, "partial": PartialSight}
            self.sight = kinds.get(knowledge, Sight)(self.crowd, index)
        watchers = watched.index.shape[1]
        highest = min(max(1, math.ceil(percentile / 100 * watchers)), watchers)
        # Values are losses: the user who likes the item most has the lowest one where it is pushed up.
        self.nth = highest if raised else watchers + 1 - highest

    def active(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b,) which of each pair's P users is at the percentile, at these (b, D) embeddings."""
        with torch.no_grad():
            return self.sight.values(embeddings, rows).kthvalue(self.nth, dim=1).indices

    def seen(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b,) what is seen of the active users; through scores it has a gradient."""
        return self.sight.values(_precise(embeddings), rows).kthvalue(self.nth, dim=1).values

    def margin(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b,) softplus of a user's way to its k-th other item, in deviations of its scores; lower is better.

        Users are ordered by it, so that one whose scores are large counts no more than others.
        """
        embeddings = _precise(embeddings)
        scores = self.crowd.scores(embeddings, rows)
        lists = self.crowd.lists
        bar = self.crowd.bar(self.k)[:, rows.to(lists.table.device)].to(scores)
        way = (bar - scores) / lists.spread.clamp_min(TINY).to(scores)[:, None]
        ways = self.sight.of_watched(way if self.raised else -way, rows)
        return functional.softplus(ways).kthvalue(self.nth, dim=1).values

    def rank(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b,) a user's rank of the item over N, smooth, up to a constant; users are ordered by it."""
        scores = self.crowd.scores(_precise(embeddings), rows)
        ranks = self.sight.of_watched(self.crowd.ranks_of(scores.detach(), rows), rows)
        active = (-self.sight.sign * ranks).kthvalue(self.nth, dim=1).indices[:, None]
        user = self.sight.index[rows.to(self.crowd.device)].gather(1, active).squeeze(1)
        score = self.sight.of_watched(scores, rows).gather(1, active.to(scores.device))
        lists, sign = self.crowd.lists, -self.sight.sign
        width = SOFTNESS * self._spread(user).to(score)[:, None]
        # Whom the item has passed is counted, in the direction of the push: a sigmoid keeps the slope of its
        # small values in float32, while near 1 it has none.
        others, own = lists.table[user].to(score), lists.own[user, rows.to(self.crowd.device)].to(score)
        passed = torch.sigmoid(sign * (score - others) / width).masked_fill(others == -torch.inf, 0.0).sum(1)
        itself = torch.sigmoid(sign * (score - own[:, None]) / width).squeeze(1)
        return (itself - passed) / self.crowd.size

    def solved(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """(b,) bool: the only watched user clearly has the item among its first k, or no longer has it."""
        embeddings = _precise(embeddings)
        if not self.crowd.recommender.differentiable:
            rank = self.sight.of_watched(self.crowd.ranks(embeddings, rows), rows).squeeze(1)
            return (rank <= self.k if self.raised else rank > self.k).to(embeddings.device)
        user = self.sight.index[rows.to(self.crowd.device)].squeeze(1)
        score = self.sight.of_watched(self.crowd.scores(embeddings, rows), rows).squeeze(1)
        clearly = CLEARLY * self._spread(user).to(score)
        bar = self.crowd.bar(self.k)[user, rows.to(self.crowd.device)].to(score)
        return score > bar + clearly if self.raised else score < bar - clearly

    def around(self, embeddings: Tensor, rows: Tensor) -> OfEmbedding:
        """The values of those who are active at (b, D) ``embeddings``, for ``EmbeddingLoss.around``."""
        embeddings = _precise(embeddings)
        active = torch.zeros(len(self.crowd.items), dtype=torch.long, device=embeddings.device)
        active[rows] = self.active(embeddings, rows)
        return self.sight.around(embeddings, rows, active)

    def _spread(self, user: Tensor) -> Tensor:
        return self.crowd.lists.spread.clamp_min(TINY)[user.to(self.crowd.device)]


def embedding_loss(
    scene: Scene,
    extractor: Network,
    targets: Targets,
    push: Push,
    knowledge: Knowledge,
    objective: Objective,
    *,
    certain: bool,
) -> EmbeddingLoss:
    """What attacks are given: the parts of ``push`` that such an adversary has.

    Args:
        certain: whether who is watched is who is meant, so that success can be seen.
    """
    kinds: Mapping[str, OfEmbedding] = {"score": push.seen, "margin": push.margin, "rank": push.rank}
    white, single = knowledge == "white", push.sight.index.shape[1] == 1
    return EmbeddingLoss(
        extractor.embed,
        kinds[objective] if white else push.seen,
        {name: of for name, of in kinds.items() if name != objective} if white else {},
        push.solved if certain and not push.partial else None,
        white,
        None if white or (single and not (push.partial and push.raised)) else push.around,
        references(scene, most_popular(scene.fitted[1], scene.catalog, targets.attack)),
    )


def references(scene: Scene, items: np.ndarray) -> Callable[[Tensor], Tensor] | None:
    """Pictures of (n,) items by place, for adversaries that copy from them; None without pictures."""
    pixels = scene.pixels
    if pixels is None:
        return None

    def pictures(rows: Tensor) -> Tensor:
        return pixels(items[rows.cpu().numpy()])

    return pictures


def _precise(embeddings: Tensor) -> Tensor:
    """float32 at least: an attack's network may answer in bf16."""
    return embeddings if embeddings.dtype == torch.float64 else embeddings.float()
