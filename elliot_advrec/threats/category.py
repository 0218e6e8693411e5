"""Make the pictures of one category look, to the extractor, like those of another."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from elliot_advrec.attacks.objective import EmbeddingLoss
from elliot_advrec.component import Config
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Moment, Success, Targets, Threat
from elliot_advrec.threats.categories import AUTO, choose, named
from elliot_advrec.threats.heads import against, logits
from elliot_advrec.threats.rows import mean_row
from elliot_advrec.threats.scene import Network, Scene

CLEARLY = 0.05
"""By how much of the spread of its logits a picture must be the target's before an attack may rest: more than
bf16 rounds away, which was at most 0.047 over 256 photographs."""


class CategoryConfig(Config):
    """Settings of the category threat."""

    source: str = AUTO
    """Name of the attacked category; ``auto``: the one with the fewest training interactions an item."""
    target: str = AUTO
    """Name of the category it is to be taken for; ``auto``: the one with the most training interactions."""
    min_items: int = Field(default=10, ge=1)
    """``auto`` chooses no source with fewer items that have a training row."""
    pairs: int | None = Field(default=None, ge=1)
    """Attack at most so many random items of the source category; absent: all."""

    @model_validator(mode="after")
    def _two_categories(self) -> CategoryConfig:
        if self.source == self.target != AUTO:
            raise ValueError(f"source and target are both '{self.source}'")
        return self


class Category(Threat):
    """Have a low-recommended category's pictures classified as a popular one's (TAaMR; Anelli et al. 2020).

    The adversary knows the extractor and lowers the cross-entropy of its category head against the target
    category. Attacked are items that the catalog labels with the source category, whatever the extractor
    says of their clean pictures. What it does to recommendations is the source category's CHR@k.
    """

    config_class = CategoryConfig
    config: CategoryConfig
    needs_categories = True
    on_interactions = True

    @property
    def pairs(self) -> int:
        """How many items are attacked at most; no bound where all of the category are."""
        return self.config.pairs or sys.maxsize

    def fits(self, catalog: Catalog) -> None:
        """Refuse categories that the catalog does not know or has no items of."""
        named(catalog, "source", self.config.source)
        named(catalog, "target", self.config.target)

    def most(self, catalog: Catalog) -> int:
        """The items of the source category, or of the largest one where it is chosen by popularity."""
        labelled = catalog.category[catalog.category >= 0]
        sizes = dict(
            zip(catalog.categories, np.bincount(labelled, minlength=len(catalog.categories)), strict=True)
        )
        sizes.pop(self.config.target, None)
        return min(self.pairs, int(sizes.get(self.config.source, max(sizes.values(), default=0))))

    def categories(self, scene: Scene) -> tuple[int, int]:
        """The source and the target category as indices into the catalog's; see ``categories.choose``.

        Raises:
            UserError: they cannot be chosen, or a name is unknown or has no items.
        """
        settings = self.config
        return choose(scene.catalog, scene.interactions, settings.source, settings.target, settings.min_items)

    def draw(self, scene: Scene, seed: int) -> Targets:
        """Items of the source category in random order; ``target`` is the target category's index.

        Raises:
            UserError: as ``categories``, or the extractor does not name the catalog's categories.
        """
        source, target = self.categories(scene)
        logits(scene, torch.as_tensor(scene.embeddings)[:1])
        generator = np.random.default_rng(stream_seed(seed, "category"))
        attack = generator.permutation(self._items(scene, source))[: self.pairs].astype(np.int64)
        return Targets(attack, np.full(len(attack), target, np.int64))

    @staticmethod
    def _items(scene: Scene, category: int) -> np.ndarray:
        assert scene.catalog is not None
        return np.flatnonzero(scene.catalog.category == category)

    def names(self, scene: Scene, targets: Targets) -> list[str]:
        """Names of the target categories."""
        assert scene.catalog is not None
        return [scene.catalog.categories[index] for index in targets.target]

    def exposed(self, scene: Scene) -> np.ndarray:
        """All items of the source category, attacked or not."""
        return self._items(scene, self.categories(scene)[0])

    def loss(self, scene: Scene, extractor: Network, targets: Targets) -> EmbeddingLoss:
        """Cross-entropy of the category head against the target category, at least 0.

        Ensembles may also follow ``margin``, the largest other logit less the target's, and ``centre``, the
        squared distance of the embedding to the mean clean embedding of the target category's items, over
        the squared length of that mean. Solved is what is classified as the target by a clear margin.
        """
        wanted = torch.from_numpy(targets.target)
        means: list[Tensor] = []

        def target_of(rows: Tensor) -> Tensor:
            return wanted.to(rows.device)[rows]

        def entropy(embedding: Tensor, rows: Tensor) -> Tensor:
            return functional.cross_entropy(logits(scene, embedding), target_of(rows), reduction="none")

        def margin(embedding: Tensor, rows: Tensor) -> Tensor:
            own, other, _ = against(logits(scene, embedding), target_of(rows))
            return other - own

        def centre(embedding: Tensor, rows: Tensor) -> Tensor:
            if not means:  # only for attacks that ask
                means.append(self._means(scene, targets))
            mean = means[0].to(embedding)[rows.to(means[0].device)]
            return (embedding - mean).square().sum(1) / mean.square().sum(1).clamp_min(1e-12)

        def solved(embedding: Tensor, rows: Tensor) -> Tensor:
            found = logits(scene, embedding)
            own, other, _ = against(found, target_of(rows))
            return own - other > CLEARLY * (found.amax(1) - found.amin(1))

        return EmbeddingLoss(extractor.embed, entropy, {"margin": margin, "centre": centre}, solved)

    def _means(self, scene: Scene, targets: Targets) -> Tensor:
        """(n,D) mean clean embedding of each pair's target category."""
        # A caller's inference_mode would make a constant that no gradient may pass beside.
        with torch.inference_mode(False), torch.no_grad():
            catalog = torch.as_tensor(scene.embeddings)
            kinds, place = np.unique(targets.target, return_inverse=True)
            rows = [torch.as_tensor(self._items(scene, kind), device=catalog.device) for kind in kinds]
            return torch.stack([catalog[some].mean(0) for some in rows])[torch.from_numpy(place)]

    @torch.no_grad()
    def judge(self, scene: Scene, targets: Targets, attacked: np.ndarray | Tensor) -> dict[str, np.ndarray]:
        """What the category head says of each picture, and how far its embedding went.

        Returns:
            (n,) each: ``category_before``, ``category_after`` int64, the likeliest category, where another
            one that is as likely as the target goes first; ``probability_before``, ``probability_after``
            float32 of the target; ``feature_loss_after`` float32, the mean squared change of the
            embedding's entries (Anelli et al. 2020, FL).
        """
        catalog = torch.as_tensor(scene.embeddings)
        before = catalog[torch.as_tensor(targets.attack, device=catalog.device)]
        after = torch.as_tensor(attacked).to(before)
        if not bool(after.isfinite().all()):
            raise ValueError("an attacked embedding is NaN or infinite")
        wanted = torch.as_tensor(targets.target, device=catalog.device)
        judged = {"feature_loss_after": (after - before).square().mean(1).float().cpu().numpy()}
        for moment, embedding in (("before", before), ("after", after)):
            found = logits(scene, embedding)
            own, other, likeliest = against(found, wanted)
            judged[f"category_{moment}"] = torch.where(own > other, wanted, likeliest).cpu().numpy()
            likely = found.softmax(1).gather(1, wanted[:, None]).squeeze(1)
            judged[f"probability_{moment}"] = likely.float().cpu().numpy()
        return judged

    def successes(self, pairs: Mapping[str, np.ndarray], moment: Moment) -> list[Success]:
        """The picture is classified as the target category."""
        return [Success({}, pairs[f"category_{moment}"] == pairs["target_row"])]

    def rows(self, pairs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Mean probabilities of the target, and the feature loss, with their intervals."""
        names = ("probability_before", "probability_after")
        return [
            *(mean_row(name, pairs[name], low=0.0, high=1.0) for name in names),
            mean_row("feature_loss", pairs["feature_loss_after"], low=0.0),
        ]
