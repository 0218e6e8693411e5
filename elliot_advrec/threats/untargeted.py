"""Make recommendations worse: what users would take sinks, what they would not take rises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.component import Config
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.places import catalog_places, sampled_places
from elliot_advrec.threats.scene import Network, Scene
from elliot_advrec.threats.scores import pair_scores
from elliot_advrec.threats.triple_rows import positives, triple_rows
from elliot_advrec.threats.triples import draw_triples


class UntargetedConfig(Config):
    """Settings of the untargeted threat."""

    users: int = Field(default=100, ge=1)
    """Random users with a test item; each has one picture of that item and ``negatives`` others attacked."""
    negatives: int = Field(default=20, ge=1)
    """Items that the user never took, among which its test item is ranked."""
    k: tuple[int, ...] = Field(default=(5, 10, 20), min_length=1)
    """Hit ratio and nDCG are measured at these, at most ``negatives``."""

    @model_validator(mode="after")
    def _cutoffs(self) -> UntargetedConfig:
        if min(self.k) < 1 or len(set(self.k)) < len(self.k):
            raise ValueError(f"k must be distinct cutoffs of 1 or more, got {list(self.k)}")
        if max(self.k) > self.negatives:
            raise ValueError(f"k {max(self.k)} holds every one of 1 + {self.negatives} items: lower it")
        return self


class Untargeted(Threat):
    """Raise the BPR loss of test triples: lower the item a user took, raise those it did not.

    Yin, Liu, Gong & Li 2023: the pictures of both items of a triple (u, i, j) are changed so that the BPR
    loss -ln sigmoid(s_ui - s_uj) grows (their 3.1), and u's test item is ranked among sampled items (4.2).
    Here each of the 1 + ``negatives`` pictures is attacked for its user alone, by its score: the test item's
    falls, a negative's rises. That is the same attack. The loss, of one negative or summed over all, falls in
    s_ui and rises in every s_uj, and a score depends on the picture of its own item alone; so the pictures
    that raise the loss most are those that move each score furthest, and the gradient with respect to one
    picture is the score's times a number of known sign, which steps of fixed length do not feel. The score is
    followed because that number vanishes in float32 once a triple is won clearly.
    """

    config_class = UntargetedConfig
    config: UntargetedConfig
    on_recommender = True
    one_catalog = False
    counted = frozenset({"users", "k"})

    @property
    def pairs(self) -> int:
        """How many pictures ``draw`` gives at most: those of ``users`` triples."""
        return self.config.users * self.together

    @property
    def together(self) -> int:
        """The pictures of one triple."""
        return 1 + self.config.negatives

    def draw(self, scene: Scene, seed: int) -> Targets:
        """Each user's test item, then its negatives, a user after the other; fewer where fewer can be had.

        Where the recommender may recommend known items alone, others are not drawn.

        Returns:
            ``target`` holds user rows, ``raised`` whether the picture is a negative's.

        Raises:
            UserError: no user has a test item and enough items that it never took.
        """
        _, interactions = scene.fitted
        settings = self.config
        users, items = draw_triples(
            interactions, settings.users, settings.negatives, seed, known_only=scene.known_only
        )
        raised = np.tile(np.arange(self.together) > 0, len(users))
        return Targets(items.ravel(), np.repeat(users, self.together), raised)

    def names(self, scene: Scene, targets: Targets) -> list[str]:
        """Ids of the users."""
        users = scene.fitted[1].users
        return [users[row] for row in targets.target]

    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """The score that the user gives the item of each pair, negated where it is to rise."""
        recommender, _ = scene.fitted
        sign = torch.where(torch.from_numpy(_raised(targets)), -1.0, 1.0)

        def score(embedding: Tensor, rows: Tensor) -> Tensor:
            places = rows.cpu().numpy()
            found = pair_scores(recommender, targets.target[places], targets.attack[places], embedding)
            return found * sign.to(found)[rows]

        return EmbeddingLoss(extractor.embed, score)

    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """Scores of each picture, and places of the test item of each triple.

        Returns:
            (n,) each: ``triple`` int64, counted from 0, -1 where some of its pictures are missing; ``raised``
            bool; ``score_before``, ``score_after`` float32; ``sampled_place_before``, ``_after`` int64, the
            test item's place among the triple's items, and ``catalog_place_before``, ``_after`` in the whole
            catalog in which the triple's pictures alone are the attacked ones, training items masked: 1 the
            best, equal scores by item row, the same in all rows of a triple, -1 where it is incomplete.
        """
        recommender, interactions = scene.fitted
        clean = torch.as_tensor(scene.embeddings)
        before = clean[torch.as_tensor(targets.attack, device=clean.device)]
        scores = {
            moment: _scores(recommender, targets, embeddings)
            for moment, embeddings in (("before", before), ("after", torch.as_tensor(attacked)))
        }
        triple = self._triples(targets)
        whole = triple >= 0
        items = targets.attack[whole].reshape(-1, self.together)
        users = targets.target[whole][:: self.together]
        grouped = [found[whole].reshape(-1, self.together) for found in scores.values()]
        in_catalog = catalog_places(
            recommender, interactions, users, items, grouped, known_only=scene.known_only
        )
        judged = {"triple": triple, "raised": _raised(targets)}
        for (moment, found), own, place in zip(scores.items(), grouped, in_catalog, strict=True):
            judged[f"score_{moment}"] = found
            for name, of_triples in (("sampled", sampled_places(items, own)), ("catalog", place)):
                judged[f"{name}_place_{moment}"] = np.full(len(targets), -1, np.int64)
                judged[f"{name}_place_{moment}"][whole] = np.repeat(of_triples, self.together)
        return judged

    def _triples(self, targets: Targets) -> np.ndarray:
        """(n,) which triple each pair belongs to, -1 where pairs of it are missing."""
        first = ~_raised(targets)
        number = np.cumsum(first) - 1
        size = np.bincount(number[number >= 0], minlength=1)
        whole = (number >= 0) & (size[number] == self.together)
        return np.where(whole, number, -1)

    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """The test item is not among the k best of its triple; one observation a whole triple, not a pair."""
        place = pairs[f"sampled_place_{moment}"][positives(pairs)]
        return [Success({"k": k}, place > k) for k in self.config.k]

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Hit ratio and nDCG over triples, sampled and full, and what became of scores and loss."""
        return triple_rows(pairs, self.config.k)


def _raised(targets: Targets) -> np.ndarray:
    assert targets.raised is not None
    return targets.raised


@torch.no_grad()
def _scores(recommender: Recommender, targets: Targets, embeddings: Tensor) -> np.ndarray:
    """(n,) float32; refuses embeddings that are not numbers, which would lose every comparison."""
    if not bool(embeddings.isfinite().all()):
        raise ValueError("an embedding is NaN or infinite")
    return pair_scores(recommender, targets.target, targets.attack, embeddings).float().cpu().numpy()
