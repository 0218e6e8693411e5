"""Promote items that nobody has taken yet, whose place depends on their pictures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elliot_advrec.attacks.objective import EmbeddingLoss, OfEmbedding
from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.training import Training
from elliot_advrec.recommenders import Recommender
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.measured import Measured, effects
from elliot_advrec.threats.popularity import pool, strata
from elliot_advrec.threats.push_config import Cutoffs
from elliot_advrec.threats.push_draws import shorter
from elliot_advrec.threats.push_loss import references
from elliot_advrec.threats.push_rows import effect_arrays, hits, push_rows
from elliot_advrec.threats.scene import Network, Scene


class ColdStartConfig(Config):
    """Settings of the cold-start threat."""

    pairs: int = Field(default=100, ge=1)
    """Random cold items, each with its hook."""
    knowledge: Literal["insider", "expert", "semantic"] = "insider"
    """INSA: the recommender and all users are known; EXPA: the extractor and what is popular; c-SEMA: what is
    popular, and pictures alone."""
    hooks: int = Field(default=1, ge=1)
    """expert and semantic: a hook is one of this many most popular items."""
    k: Cutoffs = (5, 10, 20)
    """Hit rates are measured at these."""


class ColdStart(Threat):
    """Promote items without interactions to everybody, by picture alone (Liu & Larson 2021, AIP).

    Three adversaries: the insider (INSA) raises the mean score over all users; the expert (EXPA) moves the
    item's embedding to that of a hook, a popular item; the third (c-SEMA) has only the hook's picture, which
    attacks that imitate pictures show in the item's. Each item is ranked for every user in the whole catalog.
    (The authors' code raises the mean score of DVBPR, but the sum of exponentials of VBPR's; here it is the
    mean for all.)
    """

    config_class = ColdStartConfig
    config: ColdStartConfig
    on_recommender: ClassVar[bool] = True
    names_pictures: ClassVar[bool] = True

    @property
    def pairs(self) -> int:
        """How many pairs ``draw`` gives."""
        return self.config.pairs

    @property
    def white_box(self) -> bool:
        """Whether there is anything to differentiate: pictures alone have no goal that could be."""
        return not self.blind

    @property
    def blind(self) -> bool:
        """Whether pictures are all that is known."""
        return self.config.knowledge == "semantic"

    def caveat(self) -> str | None:
        if self.config.knowledge != "expert":
            return None
        return (
            "its expert moves an item's embedding to a popular item's, which raises it only as far as that "
            "item is popular for its looks."
        )

    def suits(self, recommender: type[Recommender]) -> str | None:
        if not recommender.own_picture:
            return "users who have not taken an item score it without looking at its picture"
        if self.config.knowledge != "insider":  # the others need nothing of the recommender
            return None
        return super().suits(recommender)

    def fits(self, catalog: Catalog) -> None:
        """Refuse lists that hold every item."""
        shorter(max(self.config.k), len(catalog.ids))

    def draw(self, scene: Scene, seed: int) -> Targets:
        """Random cold items; ``target`` holds the rows of their hooks.

        Raises:
            UserError: fewer cold items than pairs, or a recommender that never shows one; says what to set.
        """
        interactions, settings = scene.fitted[1], self.config
        cold = pool(interactions, "cold", known_only=scene.known_only)
        if settings.pairs > len(cold):
            raise UserError(
                f"{settings.pairs} pairs were asked for, and the catalog has {len(cold)} cold items",
                where="pairs",
                remedy=f"ask for at most {len(cold)}",
            )
        popularity = Training.of(interactions.train, len(scene)).popularity
        popular = np.argsort(-popularity, kind="stable")[: settings.hooks]
        popular = popular[popularity[popular] > 0]
        items, hooks = (
            np.random.default_rng(stream_seed(seed, "cold_start", part)) for part in ("items", "hooks")
        )
        chosen = items.permutation(cold)[: settings.pairs]
        aims = popular[hooks.integers(len(popular), size=len(scene))[chosen]]
        return Targets(chosen.astype(np.int64), aims.astype(np.int64), np.ones(len(chosen), dtype=bool))

    def names(self, scene: Scene, targets: Targets) -> list[str]:
        """Ids of the hooks."""
        assert scene.catalog is not None
        return [scene.catalog.ids[row] for row in targets.target]

    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """Less the mean score (insider), or the squared distance to the hook's embedding over its square.

        For the adversary who has pictures alone it is 0 everywhere: nothing can be learned from it.
        """
        kinds = {"insider": _insider, "expert": _expert, "semantic": _nothing}
        return EmbeddingLoss(
            extractor.embed,
            kinds[self.config.knowledge](scene, targets),
            white_box=self.white_box,
            reference=references(scene, targets.target),
        )

    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """The effect on all users, each item alone changed; arrays as those of ``Promotion.judge``."""
        interactions = scene.fitted[1]
        users = np.flatnonzero(np.diff(interactions.train.indptr))
        who = Measured(np.repeat(np.arange(len(targets)), len(users)), np.tile(users, len(targets)))
        found = effects(scene, targets, who, attacked, self.config.k, raised=True)
        return {**effect_arrays(*found), "stratum": strata(interactions)[targets.attack]}

    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """At each k: more users have the item among their first k than before."""
        return [Success({"k": k}, hits(pairs, k, moment) > hits(pairs, k, "before")) for k in self.config.k]

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Hit rates before and after, and shifts of score and rank."""
        return push_rows(pairs, self.config.k)


def _insider(scene: Scene, targets: Targets) -> OfEmbedding:
    recommender, interactions = scene.fitted
    users = np.flatnonzero(np.diff(interactions.train.indptr))

    def less_the_mean_score(embeddings: Tensor, rows: Tensor) -> Tensor:
        precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
        return -recommender.item_scores(users, targets.attack[rows.cpu().numpy()], precise).mean(0)

    return less_the_mean_score


def _expert(scene: Scene, targets: Targets) -> OfEmbedding:
    # A caller's inference_mode would make a constant that no gradient may pass beside.
    with torch.inference_mode(False), torch.no_grad():
        catalog = torch.as_tensor(scene.embeddings)
        hooks = catalog[torch.as_tensor(targets.target, device=catalog.device)].float()
        length = hooks.square().sum(1).clamp_min(1e-12)

    def distance(embeddings: Tensor, rows: Tensor) -> Tensor:
        precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
        wanted, scale = hooks.to(precise)[rows], length.to(precise)[rows]
        return (precise - wanted).square().sum(1) / scale

    return distance


def _nothing(scene: Scene, targets: Targets) -> OfEmbedding:
    def zero(embeddings: Tensor, rows: Tensor) -> Tensor:
        return embeddings.new_zeros(len(rows), dtype=torch.float32)

    return zero
