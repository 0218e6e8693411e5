"""The contrastive detector: how far a picture lies from its own reconstruction."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from elliot_advrec.detectors.base import Detector, DetectorConfig, Parts
from elliot_advrec.detectors.pair_loss import item_pairs, pair_ratio_loss
from elliot_advrec.extractors.backbone import create_backbone
from elliot_advrec.extractors.saved import SavedNetwork
from elliot_advrec.streams import Streams


class ContrastiveConfig(DetectorConfig):
    """Settings of Contrastive."""

    encoder: str = "resnet50"
    """Any timm model name; its pooled penultimate layer is projected."""
    encoder_weights: str = Field(default="none", min_length=1)
    """Start of the encoder: `none`, `imagenet`, or the path of a state dict or a saved extractor of this
    backbone."""
    projection: int = Field(default=128, ge=1)
    """Width of the projection z."""
    hidden: int | None = Field(default=None, ge=1)
    """Width of the projection head's middle layer; the encoder's when absent."""
    temperature: float = Field(default=0.07, gt=0)
    """tau of the contrastive loss; the paper names no value, this is Wu et al. 2018's, whom it cites."""
    normalise: bool = True
    """Whether z has unit length. The loss knows cosines alone, so a distance of raw z would have no scale;
    with unit length it lies in [0, 2], and the paper's threshold of 0.2 means a cosine of 0.98."""


class Contrastive(SavedNetwork, Detector):
    """Contrastive detector: how far a picture is projected from its reconstruction (Yin et al. 2023).

    z = W2 relu(W1 encoder(x)) (their eq. 7), score = ||z(x) - z(T(x))||_2 (3.4). The filter's random last
    step is left out of T. It learns beside the filter in ``filters.training``; its network is in evaluation
    mode and asks for no gradient but there.

    Args:
        config: settings; defaults if absent.
        seed: decides the random first weights.
        image_size: side of the pictures in pixels; only encoders with position embeddings mind.

    Raises:
        UserError: unknown encoder, or weights that cannot be had or do not fit.
    """

    config_class = ContrastiveConfig
    config: ContrastiveConfig
    kind = "detector"
    weights_setting = "encoder_weights"
    needs = ("filter",)

    def __init__(
        self, config: ContrastiveConfig | None = None, *, seed: int = 0, image_size: int = 224
    ) -> None:
        super().__init__(config)
        self.image_size = image_size
        # Layers draw from the global generator; forking leaves the caller's randomness alone.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ContrastiveNetwork(self.config, image_size)
        self.network.eval().requires_grad_(False)
        self._loss: Any = None

    @property
    def random(self) -> bool:
        return self.parts.filter is not None and self.parts.filter.random

    def bind(self, parts: Parts) -> Contrastive:
        steady = None if parts.filter is None else parts.filter.steady()
        super().bind(Parts(filter=steady, embed=parts.embed))
        return self

    def measure(self, pixels: Tensor, streams: Streams | None, *, adaptive: bool) -> Tensor:
        assert self.parts.filter is not None
        run = self.parts.filter.adaptive if adaptive else self.parts.filter
        return self.between(pixels, run(pixels, streams))

    def between(self, pixels: Tensor, filtered: Tensor) -> Tensor:
        found: Tensor = self.network(pixels) - self.network(filtered)
        # A floor under the root: its gradient at 0 would be infinite.
        return found.square().sum(1).clamp_min(1e-20).sqrt()

    def loss(self, clean: Tensor, clean_found: Tensor, attacked: Tensor, attacked_found: Tensor) -> Tensor:
        """(B,) contrastive losses of B items (Yin et al. 2023, eq. 8 and 9).

        Args:
            clean: (B, 3, H, W) pictures.
            clean_found: their reconstructions.
            attacked: the pictures, attacked.
            attacked_found: reconstructions of those.

        Raises:
            UserError: pytorch-metric-learning is not installed.
        """
        if self._loss is None:
            self._loss = pair_ratio_loss(self.config.temperature)
        vectors = self.network(torch.cat([clean, clean_found, attacked, attacked_found])).float()
        found: Tensor = self._loss(vectors, item_pairs(len(clean), vectors.device))
        return found

    def describe(self) -> dict[str, Any]:
        """What decides its training beside its first weights."""
        return self.config.model_dump(mode="json", exclude={*self.inference_only, "encoder_weights"})

    def header(self) -> dict[str, Any]:
        return {"image_size": self.image_size, "threshold": self._threshold}

    @classmethod
    def from_header(cls, config: Any, header: dict[str, Any]) -> Contrastive:
        found = cls(config, image_size=header["image_size"])
        found.threshold = header["threshold"]
        return found


class ContrastiveNetwork(nn.Module):
    """The network of ``Contrastive``: encoder and projection head.

    Args:
        config: which ones.
        image_size: side of the pictures in pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ContrastiveConfig, image_size: int) -> None:
        super().__init__()
        self.encoder, width, mean, std = create_backbone(config.encoder, config.encoder_weights, image_size)
        hidden = config.hidden or width
        self.head = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, config.projection, bias=False),
        )
        self.normalise = config.normalise
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, d) projections."""
        found: Tensor = self.head(self.encoder((pixels - self.mean) / self.std))
        return F.normalize(found, dim=1) if self.normalise else found
