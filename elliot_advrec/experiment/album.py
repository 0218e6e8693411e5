"""What pictures for the report are gathered with: named arrays, tags, the cells that are shown, a t-SNE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from elliot_advrec.experiment.stages import Stage

TAGS = ("defense", "threat", "recommender", "attack", "knowledge", "eps", "norm", "steps", "seed")


class Album:
    """Arrays under running names, and the index that points to them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, array: np.ndarray) -> str:
        name = f"{self.prefix}_{len(self.arrays):04d}"
        self.arrays[name] = array
        return name


def cell_tags(stage: Stage) -> dict[str, Any]:
    """What an exhibit is of."""
    return {name: stage.tags[name] for name in TAGS if name in stage.tags}


def largest(cells: Iterable[Stage]) -> list[Stage]:
    """For each attack and aim, the cell with its largest budget; of several step counts, the most steps."""
    best: dict[tuple[Any, ...], Stage] = {}
    for cell in cells:
        name = tuple(cell.tags.get(column) for column in ("threat", "recommender", "norm", "attack"))
        if name not in best or _size(cell) >= _size(best[name]):
            best[name] = cell
    return list(best.values())


def _size(cell: Stage) -> tuple[float, int]:
    return cell.tags["eps"], cell.tags["steps"]


def flattened(unit: np.ndarray, seed: int) -> np.ndarray:
    """(n, 2) float32: a t-SNE of (n, D) unit embeddings."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(0.5, (len(unit) - 1) / 3))
    flat = TSNE(perplexity=perplexity, init="pca" if len(unit) > 3 else "random", random_state=seed)
    return np.asarray(flat.fit_transform(unit), dtype=np.float32)


def unit_rows(embeddings: np.ndarray) -> np.ndarray:
    """(n, D) rows of length one."""
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
