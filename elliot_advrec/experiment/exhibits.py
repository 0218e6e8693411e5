"""The stage that gathers the report's pictures for one defense: examples, a t-SNE, distances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixels import PixelFile
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import write_arrays
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.item_to_item import ItemToItem

LIST_LENGTH = 8
TSNE_ITEMS = 1000


class Album:
    """Arrays under running names, and the index that points to them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, array: np.ndarray) -> str:
        name = f"{self.prefix}_{len(self.arrays):04d}"
        self.arrays[name] = array
        return name


def make_exhibits(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Write ``exhibits.npz`` and return its index.

    The example pair is, for each attack at its largest budget, the first of the kept pairs whose rank moved
    most: what an attacker would show. How often that happens is the success rate, beside it in the report.
    """
    catalog_stage, embeddings_stage = stage.needs["catalog"], stage.needs["embeddings"]
    catalog, pixels = workspace.catalog(catalog_stage), workspace.pixels(catalog_stage)
    unit = _unit(workspace.embeddings(embeddings_stage))
    album = Album(f"{stage.key[:8]}")
    # Lists and distances to a target are what item-to-item attacks change.
    cells = [cell for cell in stage.parts["cells"] if isinstance(cell.parts["threat"], ItemToItem)]
    distances, examples = [], []
    for cell in cells:
        pairs = workspace.arrays(cell, "pairs.npz")
        tags = _tags(cell)
        distances.append(
            {
                **tags,
                "before": album.add(1 - pairs["cosine_before"]),
                "after": album.add(1 - pairs["cosine_after"]),
            }
        )
    for cell in _largest(cells):
        examples.append(_example(workspace, cell, catalog, pixels, unit, album))
    tsne = [{**_tags(stage), **_tsne(catalog, unit, stage.parts["seed"], album)}]
    write_arrays(folder / "exhibits.npz", album.arrays, compressed=True)
    return Outcome(extra={"exhibits": {"examples": examples, "tsne": tsne, "distances": distances}})


def _tags(stage: Stage) -> dict[str, Any]:
    return {
        name: stage.tags[name]
        for name in ("defense", "threat", "recommender", "attack", "eps", "steps", "seed")
        if name in stage.tags
    }


def _largest(cells: list[Stage]) -> list[Stage]:
    """For each attack, the cell with its largest budget (of several step counts, the most steps)."""
    best: dict[tuple[str, str], Stage] = {}
    for cell in cells:
        name = (cell.tags["threat"], cell.tags["attack"])
        if name not in best or (cell.tags["eps"], cell.tags["steps"]) >= (
            best[name].tags["eps"],
            best[name].tags["steps"],
        ):
            best[name] = cell
    return list(best.values())


def _example(
    workspace: Workspace,
    cell: Stage,
    catalog: Catalog,
    pixels: PixelFile,
    unit: np.ndarray,
    album: Album,
) -> dict[str, Any]:
    pairs = workspace.arrays(cell, "pairs.npz")
    images = workspace.arrays(cell, "images.npz")["image"]
    kept = slice(0, len(images))
    chosen = int(np.argmax(pairs["rank_before"][kept] / pairs["rank_after_8bit"][kept]))
    attack, target = int(pairs["attack_row"][chosen]), int(pairs["target_row"][chosen])
    before = unit @ unit[target]
    after = before.copy()
    after[attack] = _unit(pairs["embedding_8bit"][chosen][None])[0] @ unit[target]
    perturbed = album.add(_hwc(images[chosen]))
    original = album.add(_hwc(pixels.bytes([attack])[0].numpy()))
    return {
        **_tags(cell),
        "attack_item": catalog.ids[attack],
        "target_item": catalog.ids[target],
        "rank_before": int(pairs["rank_before"][chosen]),
        "rank_after": int(pairs["rank_after_8bit"][chosen]),
        "cosine_before": float(pairs["cosine_before"][chosen]),
        "cosine_after": float(pairs["cosine_after_8bit"][chosen]),
        "original": original,
        "perturbed": perturbed,
        "target": album.add(_hwc(pixels.bytes([target])[0].numpy())),
        "neighbours_before": _neighbours(before, target, attack, original, catalog, pixels, album),
        "neighbours_after": _neighbours(after, target, attack, perturbed, catalog, pixels, album),
    }


def _neighbours(
    similarity: np.ndarray,
    target: int,
    attack: int,
    attack_image: str,
    catalog: Catalog,
    pixels: PixelFile,
    album: Album,
) -> list[dict[str, Any]]:
    """The target's neighbour list, exactly, from its cosine (N,) to every item."""
    similarity = similarity.copy()
    similarity[target] = -np.inf
    order = np.argsort(-similarity, kind="stable")[: min(LIST_LENGTH, len(similarity) - 1)]
    return [
        {
            "item": catalog.ids[row],
            "similarity": float(similarity[row]),
            "image": attack_image if row == attack else album.add(_hwc(pixels.bytes([row])[0].numpy())),
            "is_attacked": bool(row == attack),
        }
        for row in order.tolist()
    ]


def _tsne(catalog: Catalog, unit: np.ndarray, seed: int, album: Album) -> dict[str, Any]:
    """A two-dimensional picture of (at most ``TSNE_ITEMS``) unit embeddings."""
    from sklearn.manifold import TSNE

    chosen = np.random.default_rng(stream_seed("tsne", seed)).permutation(len(unit))[:TSNE_ITEMS]
    chosen.sort()
    perplexity = min(30.0, max(0.5, (len(chosen) - 1) / 3))
    flat = TSNE(perplexity=perplexity, init="pca" if len(chosen) > 3 else "random", random_state=seed)
    points = flat.fit_transform(unit[chosen]).astype(np.float32)
    return {
        "points": album.add(points),
        "labels": album.add(catalog.category[chosen]),
        "categories": list(catalog.categories),
    }


def _unit(embeddings: np.ndarray) -> np.ndarray:
    """(n, D) rows of length one."""
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)


def _hwc(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(1, 2, 0))
