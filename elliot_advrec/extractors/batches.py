"""Training batches: which items in which order, their pixels and labels, read one batch ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.seeding import stream_seed


@dataclass(frozen=True)
class Batch:
    """B pictures on the device, with what they are."""

    rows: np.ndarray
    """(B,) catalog rows."""
    pixels: Tensor
    """(B, 3, S, S) float32 in [0, 1], channels-last."""
    category: Tensor | None
    """(B,) int64, -1 where unlabelled; None without categories."""
    attributes: Tensor | None
    """(B, A) bool; None without attributes."""


def labelled_rows(catalog: Catalog, rows: np.ndarray) -> np.ndarray:
    """Those of ``rows`` that have a category or an attribute."""
    known = np.zeros(len(rows), dtype=bool)
    if catalog.categories:
        known |= catalog.category[rows] >= 0
    if catalog.attributes is not None:
        known |= np.asarray(catalog.attributes[rows].sum(axis=1)).ravel() > 0
    return rows[known]


def check_heads(extractor: Extractor, catalog: Catalog) -> None:
    """Refuse a catalog whose labels are not those the heads were built for.

    Raises:
        UserError: other categories or attributes, or none at all.
    """
    if not catalog.categories and catalog.attributes is None:
        raise UserError(
            "the catalog has neither categories nor attributes: there is nothing to train the extractor on",
            remedy="label the items, or use `weights: imagenet` without training",
        )
    names = list(catalog.attribute_names) if catalog.attributes is not None else []
    if list(catalog.categories) != extractor.categories or names != extractor.attribute_names:
        raise UserError(
            f"the extractor was built for {len(extractor.categories)} categories and"
            f" {len(extractor.attribute_names)} attributes, the catalog has {len(catalog.categories)} and"
            f" {len(names)}, or they are named or ordered otherwise",
            remedy="build the extractor from this catalog's label names",
        )


def order(rows: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of an epoch, decided by (seed, epoch); a last batch of one is left out.

    One picture gives BatchNorm no variance to learn from.
    """
    shuffled = rows[np.random.default_rng(stream_seed(seed, "order", epoch)).permutation(len(rows))]
    cut = [shuffled[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return cut if len(cut[-1]) > 1 else cut[:-1]


def batches(
    catalog: Catalog, pixels: PixelFile, chunks: list[np.ndarray], device: torch.device
) -> Iterator[Batch]:
    """The pictures and labels of each chunk of rows; the next chunk is read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(pixels.bytes, chunk) for chunk in chunks[:1]]
        for position, chunk in enumerate(chunks):
            raw = waiting.pop().result()
            if position + 1 < len(chunks):
                waiting.append(reader.submit(pixels.bytes, chunks[position + 1]))
            yield _on_device(catalog, chunk, raw, device)


def _on_device(catalog: Catalog, rows: np.ndarray, raw: Tensor, device: torch.device) -> Batch:
    floats = raw.to(device).contiguous(memory_format=torch.channels_last).float().div_(255)
    category = torch.from_numpy(catalog.category[rows]).to(device) if catalog.categories else None
    attributes = None
    if catalog.attributes is not None:
        dense = catalog.attributes[rows].toarray()
        attributes = torch.from_numpy(np.ascontiguousarray(dense, dtype=bool)).to(device)
    return Batch(rows, floats, category, attributes)
