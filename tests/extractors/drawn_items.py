"""A small labelled catalog drawn from a seed: what extractor and defense tests train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.extractors.config import AugmentationConfig, ExtractorSettings, TrainingConfig
from elliot_advrec.extractors.extractor import Extractor

SIZE = 32
PLAIN = AugmentationConfig.none()


def draw(
    folder: Path, items: int = 96, *, textures: bool = True, hint: float = 0.0, seed: int = 0
) -> tuple[Catalog, PixelFile]:
    """Four categories by the quarter that is bright; two textures by fine stripes.

    Args:
        folder: where the pixel file goes.
        items: half of them train, the rest validation and test.
        textures: whether the catalog has attributes.
        hint: height of a faint pattern that gives the category away: easily learned, easily attacked.
        seed: of all that is random.
    """
    rng = np.random.default_rng(seed)
    category = np.arange(items) % 4
    pictures = rng.uniform(0.3, 0.5, (items, 3, SIZE, SIZE))
    striped = rng.integers(0, 2, items)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    half = SIZE // 2
    for item, kind in enumerate(category):
        top, left = divmod(int(kind), 2)
        pictures[item, :, top * half : (top + 1) * half, left * half : (left + 1) * half] += 0.35
        pictures[item] += 0.1 * ((columns if striped[item] else rows) % 2)
        pictures[item, int(kind) % 3] += hint * ((rows + columns * (1 + int(kind) // 3)) % 2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pixels.bin").write_bytes(np.rint(pictures.clip(0, 1) * 255).astype(np.uint8).tobytes())
    split = np.array(["train", "train", "validation", "test"])[(np.arange(items) // 4) % 4]
    ones = np.ones(items, bool)
    catalog = Catalog(
        ids=[f"item{row}" for row in range(items)],
        category=category.astype(np.int64),
        categories=["north-west", "north-east", "south-west", "south-east"],
        attributes=sp.csr_matrix((ones, (np.arange(items), striped)), (items, 2)) if textures else None,
        attribute_names=["rows", "columns"] if textures else [],
        split=split,
        pictures=[],
        taste=None,
    )
    return catalog, PixelFile(folder / "pixels.bin", SIZE, items)


def build(catalog: Catalog, backbone: str = "test_efficientnet", seed: int = 0) -> Extractor:
    """A tiny extractor for the catalog's labels."""
    settings = ExtractorSettings(backbone=backbone)
    return Extractor(settings, catalog.categories, catalog.attribute_names, SIZE, seed=seed)


def short(epochs: int = 2, **changes: object) -> TrainingConfig:
    """A short training without augmentation."""
    settings = {"epochs": epochs, "batch_size": 16, "lr": 3e-3, "augmentation": PLAIN, **changes}
    return TrainingConfig.model_validate(settings)
