"""How well an extractor names categories and textures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.batches import Batch, batches
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.extractors.losses import category_loss, texture_loss
from elliot_advrec.progress import Advance

Change = Callable[[FrozenExtractor, Batch], Tensor]
"""What is done to a batch's pixels before they are judged."""


def evaluate(
    extractor: Extractor | FrozenExtractor,
    catalog: Catalog,
    pixels: PixelFile,
    rows: np.ndarray | None = None,
    batch_size: int = 128,
    device: str | torch.device = "cpu",
    *,
    texture_weight: float = 1.0,
    change: Change | None = None,
    advance: Advance = lambda units: None,
) -> dict[str, Any]:
    """Accuracy and losses of both heads on some items.

    Args:
        extractor: left in the mode it came in; judged through a frozen view.
        catalog: labels.
        pixels: of the catalog's rows.
        rows: (n,) which items; the test split when None.
        batch_size: pictures at once; decides no number.
        device: where to compute.
        texture_weight: of the texture loss within ``loss``.
        change: perturbs each batch before it is judged; nothing when None.
        advance: told of every batch how many pictures it had.

    Returns:
        ``accuracy``, ``top5_accuracy`` (with fewer than 5 categories, 1) and ``category_loss`` over the
        ``category_n`` items with a category; ``texture_top1_precision`` (share of items whose highest-scored
        texture is among their labels) and ``texture_loss`` over the ``texture_n`` items with a texture;
        ``loss``, the mean over all ``n``. None where there are no labels.

    Raises:
        UserError: a category that the extractor does not know.
    """
    place = torch.device(device)
    view = extractor if isinstance(extractor, FrozenExtractor) else FrozenExtractor(extractor)
    view.to(place)
    chosen = np.flatnonzero(catalog.split == "test") if rows is None else np.asarray(rows)
    if catalog.categories and len(catalog.categories) != len(view.categories):
        raise UserError(
            f"the catalog has {len(catalog.categories)} categories, the extractor {len(view.categories)}",
            remedy="evaluate on the catalog it was trained for",
        )
    chunks = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
    sums = dict.fromkeys(
        ("right", "top5", "category_loss", "category_n", "precise", "texture_loss", "texture_n"), 0.0
    )
    for batch in batches(catalog, pixels, chunks, place):
        judged = batch.pixels if change is None else change(view, batch)
        with torch.no_grad():
            features = view(judged)
        if features.category is not None and batch.category is not None:
            _add_category(sums, features.category, batch.category)
        if features.attributes is not None and batch.attributes is not None:
            _add_texture(sums, features.attributes, batch.attributes)
        advance(len(batch.rows))
    return _means(sums, len(chosen), texture_weight)


def _add_category(sums: dict[str, float], logits: Tensor, category: Tensor) -> None:
    known = category >= 0
    logits, category = logits[known], category[known]
    top = logits.topk(min(5, logits.shape[1]), dim=1).indices == category[:, None]
    sums["right"] += float(top[:, 0].sum())
    sums["top5"] += float(top.sum())
    sums["category_loss"] += float(category_loss(logits, category).double().sum())
    sums["category_n"] += len(category)


def _add_texture(sums: dict[str, float], logits: Tensor, attributes: Tensor) -> None:
    known = attributes.any(dim=1)
    logits, attributes = logits[known], attributes[known]
    sums["precise"] += float(attributes.gather(1, logits.argmax(dim=1, keepdim=True)).sum())
    sums["texture_loss"] += float(texture_loss(logits, attributes).double().sum())
    sums["texture_n"] += len(attributes)


def _means(sums: dict[str, float], n: int, texture_weight: float) -> dict[str, Any]:
    def mean(name: str, count: str) -> float | None:
        return sums[name] / sums[count] if sums[count] else None

    return {
        "n": n,
        "loss": (sums["category_loss"] + texture_weight * sums["texture_loss"]) / n if n else None,
        "accuracy": mean("right", "category_n"),
        "top5_accuracy": mean("top5", "category_n"),
        "category_loss": mean("category_loss", "category_n"),
        "category_n": int(sums["category_n"]),
        "texture_top1_precision": mean("precise", "texture_n"),
        "texture_loss": mean("texture_loss", "texture_n"),
        "texture_n": int(sums["texture_n"]),
    }
