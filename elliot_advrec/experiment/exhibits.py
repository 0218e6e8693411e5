"""The stage that gathers the report's pictures for one defense: examples, a t-SNE, distances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.experiment.album import Album, cell_tags, flattened, largest, unit_rows
from elliot_advrec.experiment.exhibiting_guards import guard_exhibits
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import write_arrays
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.item_to_item import ItemToItem

LIST_LENGTH = 8
TSNE_ITEMS = 1000


def make_exhibits(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Write ``exhibits.npz`` and return its index.

    The example pair is, for each attack at its largest budget, the first of the kept pairs whose rank moved
    most: what an attacker would show. How often that happens is the success rate, beside it in the report.
    """
    catalog_stage, embeddings_stage = stage.needs["catalog"], stage.needs["embeddings"]
    catalog, pixels = workspace.catalog(catalog_stage), workspace.pixels(catalog_stage)
    unit = unit_rows(workspace.embeddings(embeddings_stage))
    album = Album(f"{stage.key[:8]}")
    # Lists and distances to a target are what item-to-item attacks change.
    cells = [cell for cell in stage.parts["cells"] if isinstance(cell.parts["threat"], ItemToItem)]
    distances, examples = [], []
    for cell in cells:
        pairs = workspace.arrays(cell, "pairs.npz")
        tags = cell_tags(cell)
        distances.append(
            {
                **tags,
                "before": album.add(1 - pairs["cosine_before"]),
                "after": album.add(1 - pairs["cosine_after"]),
            }
        )
    for cell in largest(cells):
        examples.append(_example(workspace, cell, catalog, pixels, unit, album))
    tsne = [{**cell_tags(stage), **_tsne(catalog, unit, stage.parts["seed"], album)}]
    index = {"examples": examples, "tsne": tsne, "distances": distances}
    if "guard" in stage.needs:
        index |= guard_exhibits(workspace, stage, album)
    write_arrays(folder / "exhibits.npz", album.arrays, compressed=True)
    return Outcome(extra={"exhibits": index})


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
    after[attack] = unit_rows(pairs["embedding_8bit"][chosen][None])[0] @ unit[target]
    perturbed = album.add(_hwc(images[chosen]))
    original = album.add(_hwc(pixels.bytes([attack])[0].numpy()))
    return {
        **cell_tags(cell),
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
    chosen = np.random.default_rng(stream_seed("tsne", seed)).permutation(len(unit))[:TSNE_ITEMS]
    chosen.sort()
    points = flattened(unit[chosen], seed)
    return {
        "points": album.add(points),
        "labels": album.add(catalog.category[chosen]),
        "categories": list(catalog.categories),
    }


def _hwc(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(1, 2, 0))
