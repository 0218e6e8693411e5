"""The extractor: a timm backbone whose pooled embedding feeds a category head and a texture head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from elliot_advrec import __version__
from elliot_advrec.component import validate
from elliot_advrec.errors import UserError
from elliot_advrec.extractors import checkpoint
from elliot_advrec.extractors.backbone import create_backbone
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.extractors.features import Features

FORMAT = "elliot_advrec extractor 1"


class Extractor(nn.Module):
    """Pixels in [0, 1] to an embedding and the logits of two heads.

    Both heads are linear on one embedding, as in the content recommender of Tuinhof, Pirker and Haltmeier
    (2018): categories under cross-entropy, textures under binary cross-entropy. Either head is absent when
    its labels are.

    Args:
        config: backbone, first weights and training.
        categories: names, in the order of the logits; empty: no category head.
        attribute_names: names of the textures, in the order of the logits; empty: no texture head.
        image_size: side of the square pictures it is trained on, in pixels.
        seed: decides the random initial weights.

    Raises:
        UserError: unknown backbone, or first weights that cannot be had or do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: ExtractorSettings,
        categories: Sequence[str] = (),
        attribute_names: Sequence[str] = (),
        image_size: int = 96,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.image_size = config, image_size
        self.categories, self.attribute_names = list(categories), list(attribute_names)
        # Layers draw from the global generator; forking leaves the caller's randomness alone.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone, width, mean, std = create_backbone(config.backbone, config.weights, image_size)
            self.embedding_dim = config.embedding or width
            self.projection = nn.Linear(width, config.embedding) if config.embedding else nn.Identity()
            self.category_head = _head(self.embedding_dim, len(self.categories))
            self.texture_head = _head(self.embedding_dim, len(self.attribute_names))
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def embed(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels in [0, 1] to (B, D) embeddings, not normalised to unit length."""
        embedding: Tensor = self.projection(self.backbone((pixels - self.mean) / self.std))
        return embedding

    def forward(self, pixels: Tensor) -> Features:
        """(B, 3, H, W) pixels in [0, 1] to embedding and logits."""
        return self.classify(self.embed(pixels))

    def classify(self, embedding: Tensor) -> Features:
        """(B, D) embeddings to embedding and logits."""
        return Features(
            embedding,
            None if self.category_head is None else self.category_head(embedding),
            None if self.texture_head is None else self.texture_head(embedding),
        )

    def digest(self) -> str:
        """Hex digest of all weights and statistics and their names: equal digests embed equally."""
        total = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()

    def save(self, path: Path) -> None:
        """Write weights and description as one safetensors file with a JSON header.

        Raises:
            UserError: the file cannot be written.
        """
        header = {
            "format": FORMAT,
            "config": self.config.model_dump(mode="json"),
            "categories": self.categories,
            "attribute_names": self.attribute_names,
            "image_size": self.image_size,
            "versions": {"elliot_advrec": __version__, "timm": timm.__version__, "torch": torch.__version__},
        }
        checkpoint.write(path, self.state_dict(), header)

    @classmethod
    def load(cls, path: Path) -> Extractor:
        """The extractor that ``save`` wrote, on the CPU and in evaluation mode.

        Raises:
            UserError: no such file, not an extractor, or one that this version cannot build.
        """
        tensors, header = checkpoint.read(path)
        if header.get("format") != FORMAT:
            raise UserError(
                "is not a saved extractor", where=str(path), remedy="name a file that `save` wrote"
            )
        config = validate(ExtractorSettings, {**header["config"], "weights": "none"}, str(path))
        extractor = cls(config, header["categories"], header["attribute_names"], header["image_size"])
        checkpoint.fill(extractor, tensors, path, config.backbone)
        # What it started from is part of its description, though nothing is loaded from there again.
        extractor.config = config.model_copy(update={"weights": header["config"]["weights"]})
        return extractor.eval()


def _head(width: int, labels: int) -> nn.Linear | None:
    return nn.Linear(width, labels) if labels else None
