"""Taste learned from the pixels: the extractor is trained by the pairs themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.backbone import check_backbone
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.recommenders import cnn_f  # noqa: F401  # registers the default backbone
from elliot_advrec.recommenders.bpr.config import VisualConfig, Weight
from elliot_advrec.recommenders.bpr.factors import FactorNetwork, FactorRecommender, Side
from elliot_advrec.recommenders.bpr.network import Initial, Network, half_squares
from elliot_advrec.recommenders.bpr.sampling import Triples, TripleSampler
from elliot_advrec.seeding import stream_seed

SIZE = "image_size"


class DVBPRConfig(VisualConfig):
    """Settings of ``DVBPR``."""

    factors: Annotated[int, Field(ge=1)] = 100
    """Factors of users, and width of the extractor's embedding."""
    lr: Annotated[float, Field(gt=0)] = 0.0001
    """Learning rate of Adam."""
    lambda_1: Weight = 0.0001
    """L2 penalty of the user factors that a triple holds."""
    lambda_2: Weight = 1.0
    """L2 penalty of the extractor's weights, biases and normalisation excepted, at every step."""
    backbone: str = "cnn_f"
    """What the extractor is built on: the paper's own CNN-F, or any timm model name."""
    weights: str = "none"
    """First weights of the backbone: ``none``, ``imagenet`` or a file, as for the recipe's extractor."""


class DVBPRNetwork(FactorNetwork):
    """Users (U, K) and an extractor with K-d embeddings."""

    config: DVBPRConfig
    users: nn.Parameter

    def __init__(
        self, config: Any, users: Tensor, extractor: Extractor, pixels: PixelFile | None = None
    ) -> None:
        super().__init__(config, {"users": users})
        self.extractor, self.pixels = extractor, pixels
        self.width = users.shape[1]

    def loss(self, triples: Triples) -> Tensor:
        assert self.pixels is not None
        user = self.users[triples.users]
        # A picture that several triples hold is looked at once.
        shown, place = torch.unique(torch.cat([triples.positives, triples.negatives]), return_inverse=True)
        looks = self.extractor.embed(self.pixels.floats(shown).to(user.device))
        half = len(user)
        preference = (user * (looks[place[:half]] - looks[place[half:]])).sum(1)
        weights = [p for p in self.extractor.parameters() if p.ndim > 1]
        return (
            functional.softplus(-preference).sum()
            + self.config.lambda_1 * half_squares(user)
            + self.config.lambda_2 * half_squares(*weights)
        )

    @property
    def user_penalty(self) -> float:
        return self.config.lambda_1

    def user_side(self) -> Tensor:
        return self.users

    def item_side(self, rows: Tensor, features: Tensor) -> Side:
        return Side(features, features.new_zeros(len(rows)))


class DVBPR(FactorRecommender):
    """A user's factors times the embedding of an extractor that the pairs train end to end, from pixels.

    Kang, Fang, Wang & McAuley 2017, "Visually-Aware Fashion Recommendation and Design with Generative Image
    Models", eq. 3: score(u, i) = t_u . F(picture of i); no latent item factors, so a cold item is as good as
    any. The recipe's extractor plays no part: what ``with_items`` and ``item_scores`` take are embeddings of
    ``extractor``. Recipes attack the extractor of the recipe, so they measure this recommender and never
    attack it; in Python an attack must go through ``extractor``.
    """

    config_class = DVBPRConfig
    config: DVBPRConfig
    uses_images: ClassVar[bool] = True
    uses_pixels: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True

    @property
    def extractor(self) -> Extractor:
        """The trained extractor, on the CPU, in evaluation mode; embeddings of width ``factors``."""
        learned: Any = self._learned
        found: Extractor = learned.extractor
        return found

    def _network(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None,
        sampler: TripleSampler,
        initial: Initial,
        device: torch.device,
    ) -> Network:
        users, items = interactions.train.shape
        pixels, config = self.context.pixels, self.config
        if pixels is None:
            raise UserError("DVBPR needs the catalog's pictures", remedy="name a catalog with pictures")
        if len(pixels) != items:
            raise UserError(f"DVBPR expected {items} pictures, one an item, got {len(pixels)}")
        extractor = self._extractor(pixels.size, config.weights, stream_seed(initial.seed, "DVBPR"))
        return DVBPRNetwork(config, initial.glorot("users", users, config.factors), extractor, pixels)

    def _extractor(self, size: int, weights: str, seed: int = 0) -> Extractor:
        check_backbone(self.config.backbone, "DVBPR: backbone")
        settings = ExtractorSettings(
            backbone=self.config.backbone, weights=weights, embedding=self.config.factors
        )
        return Extractor(settings, image_size=size, seed=seed)

    def _all_items(self, network: FactorNetwork) -> Side:
        """Through the frozen view, which is what attacks see."""
        learned: Any = network
        pixels, view = learned.pixels, FrozenExtractor(learned.extractor).to(self._device)
        blocks = np.array_split(np.arange(len(pixels)), -(-len(pixels) // self.config.batch_eval))
        looks = torch.cat([view.embed(pixels.floats(rows).to(self._device)).cpu() for rows in blocks])
        return network.item_side(torch.arange(len(looks)), looks)

    def _take(self, network: Network) -> None:
        self._device = next(network.parameters()).device
        super()._take(network)

    def _state(self) -> dict[str, np.ndarray]:
        return {**super()._state(), SIZE: np.array([self.extractor.image_size])}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._size = int(state[SIZE][0])
        super()._restore(state)

    def _rebuilt(self, tensors: Mapping[str, Tensor]) -> FactorNetwork:
        rebuilt = DVBPRNetwork(self.config, tensors["users"], self._extractor(self._size, "none"))
        own = rebuilt.state_dict()
        # Arrays on disk have at least one dimension; counters of normalisation layers have none.
        rebuilt.load_state_dict({name: tensors[name].reshape(own[name].shape) for name in own})
        return rebuilt
