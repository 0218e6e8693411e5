"""Push one item up a user's list, a segment's or everybody's; or down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.measured import effects, measured_users
from elliot_advrec.threats.mock_users import enough, watched
from elliot_advrec.threats.popularity import strata
from elliot_advrec.threats.push_config import PromotionConfig
from elliot_advrec.threats.push_draws import Draw, shorter
from elliot_advrec.threats.push_loss import Push, embedding_loss
from elliot_advrec.threats.push_rows import effect_arrays, hits, push_rows
from elliot_advrec.threats.scene import Network, Scene


class Promotion(Threat):
    """Push an item into the top k of one user, of a segment or of everybody (Cohen et al. 2021).

    A user is attacked through a clone (its own factors), a segment through one mock user who has the segment
    item alone, everybody through mock users of one random item each (sections 4.2.1 to 4.2.3); the effect is
    measured on the real users, without those who have the item. Adversaries know the recommender, see scores,
    ranks, or the top of the ranking alone (3.3 to 3.6). Pictures of the most popular item of the category are
    there to be copied (4.3).
    """

    config_class = PromotionConfig
    config: PromotionConfig
    on_recommender: ClassVar[bool] = True
    names_pictures: ClassVar[bool] = True
    raised: ClassVar[bool] = True
    """Whether items are to rise."""

    @property
    def pairs(self) -> int:
        """How many pairs ``draw`` gives."""
        return self.config.pairs

    @property
    def white_box(self) -> bool:
        """Whether the recommender is known."""
        return self.config.knowledge == "white"

    def suits(self, recommender: type[Recommender]) -> str | None:
        if not recommender.own_picture:
            return "users who have not taken an item score it without looking at its picture"
        mocks = self.config.users != "specific" or (self.config.knowledge == "partial" and self.raised)
        if mocks and recommender.fold_in is Recommender.fold_in:
            return "it cannot take in the mock users that the adversary adds"
        return super().suits(recommender)

    def fits(self, catalog: Catalog) -> None:
        """Refuse lists that hold every item, and more mock users than items."""
        shorter(max(self.config.k), len(catalog.ids))
        if self.config.users == "population":
            enough(self.config.mock_users, len(catalog.ids))

    def draw(self, scene: Scene, seed: int) -> Targets:
        """Random items, and whom each is pushed to; see ``Draw``.

        Returns:
            ``target`` holds user rows (specific), rows of segment items, or the number that decides mock
            users and measured users (population), the same for all pairs.

        Raises:
            UserError: no such items, fewer pairs than asked for, or lists that hold every item.
        """
        settings = self.config
        draw = Draw(scene, seed, settings.users, settings.items, max(settings.k))
        return draw.targets(settings.pairs, raised=self.raised)

    def names(self, scene: Scene, targets: Targets) -> list[str]:
        """Ids of the users or segment items."""
        if self.config.users == "population":
            return ["everybody"] * len(targets)
        if self.config.users == "segment":
            assert scene.catalog is not None
            return [scene.catalog.ids[row] for row in targets.target]
        return [scene.fitted[1].users[row] for row in targets.target]

    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """What is seen of the watched user at ``percentile``, or a white box's objective for that user.

        A push up aims at the shortest list, one down at the longest. ``score``: the score, negated for a push
        up. ``margin``: softplus of the way to the k-th other item, in deviations of the user's scores.
        ``rank``: less the expected share of items that it passes. By rank: r / N (negated for a push down).

        Raises:
            UserError: fewer items than mock users.
        """
        settings = self.config
        with torch.inference_mode(False), torch.no_grad():
            push = Push(
                scene,
                targets,
                watched(scene, targets, settings.users, settings.mock_users),
                raised=self.raised,
                knowledge=settings.knowledge,
                k=min(settings.k) if self.raised else max(settings.k),
                percentile=settings.percentile,
                visible=max(1, math.floor(settings.visible * len(scene))),
            )
        return embedding_loss(
            scene,
            extractor,
            targets,
            push,
            settings.knowledge,
            settings.objective,
            certain=settings.users == "specific",
        )

    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """The effect on the real users, each item alone changed.

        Returns:
            (n,) each: ``score_before``, ``score_after`` mean score over the measured users; ``rank_before``,
            ``rank_after`` their median place, 1 the first; ``hit_K_before``, ``hit_K_after`` for each k the
            share of them with the item among their first k; ``measured`` how many they are; ``stratum`` of
            the item in ``popularity.STRATA``.
        """
        settings = self.config
        who = measured_users(scene, targets, settings.users, settings.evaluated_users)
        found = effects(scene, targets, who, attacked, settings.k, raised=self.raised)
        return {
            **effect_arrays(*found),
            "measured": np.bincount(who.pair, minlength=len(targets)),
            "stratum": strata(scene.fitted[1])[targets.attack],
        }

    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """At each k, for one user: the item is (demotion: is no longer) among the first k.

        For a group: its share of users for whom that is so has grown.
        """
        found = []
        for k in self.config.k:
            now, before = hits(pairs, k, moment), hits(pairs, k, "before")
            if self.config.users == "specific":
                met = now > 0.5 if self.raised else now < 0.5
            else:
                met = now > before if self.raised else now < before
            found.append(Success({"k": k}, met))
        return found

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Hit rates before and after, shifts of score and rank, and hit rates by popularity of the item."""
        return push_rows(pairs, self.config.k)


class Demotion(Promotion):
    """Push an item out of the top k of one user, of a segment or of everybody: promotion the other way.

    Items are drawn from the lists of random users, so that there is something to lose.
    """

    raised: ClassVar[bool] = False

    def caveat(self) -> str | None:
        settings = self.config
        by_score = settings.objective == "score" and settings.knowledge in ("white", "score")
        if settings.users != "population" or not by_score:
            return None
        cure = (
            "take objective: margin" if settings.knowledge == "white" else "knowledge: rank has no such flaw"
        )
        return (
            "it pushes items down for everybody by their score, which lists need not follow: users' scores "
            f"differ in size, and while the largest fall the item may rise in other lists; {cure}."
        )
