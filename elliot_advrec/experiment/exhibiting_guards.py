"""The report's pictures of what stands in front of an extractor: scores of detectors, where pictures go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from elliot_advrec.experiment.album import Album, cell_tags, flattened, largest, unit_rows
from elliot_advrec.experiment.fitting_guards import CLEAN
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.workspace import Workspace

SHOWN = 200
"""Pairs of an attack that a map shows; up to five pictures each."""


def guard_exhibits(workspace: Workspace, stage: Stage, album: Album) -> dict[str, list[dict[str, Any]]]:
    """The index of a defense's ``suspicion`` and ``shifts``, each at the largest budget of an attack.

    Args:
        stage: of kind ``exhibits``, with ``guard`` and ``unguarded`` among its needs.
        album: takes the arrays.
    """
    cells = largest(stage.parts["cells"])
    return {
        "suspicion": list(_suspicion(workspace, stage, cells, album)),
        "shifts": [_shift(workspace, stage, some, album) for some in _strongest(cells)],
    }


def _suspicion(
    workspace: Workspace, stage: Stage, cells: list[Stage], album: Album
) -> Iterable[dict[str, Any]]:
    """A detector's scores of clean test pictures and of attacked ones; none where there is no detector."""
    guard = stage.needs["guard"]
    threshold = workspace.record(guard)["threshold"]
    if threshold is None:
        return
    clean = album.add(workspace.arrays(guard, CLEAN)["suspicion"])
    for cell in cells:
        attacked = album.add(workspace.arrays(cell, "pairs.npz")["suspicion_after_8bit"])
        yield {**cell_tags(cell), "clean": clean, "attacked": attacked, "threshold": threshold}


def _strongest(cells: list[Stage]) -> list[list[Stage]]:
    """For each aim the cells of its strongest attack, one for what an attacker knows each."""
    found: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Stage]]] = {}
    for cell in cells:
        aim = tuple(cell.tags.get(column) for column in ("threat", "recommender"))
        same = tuple(cell.tags[column] for column in ("norm", "eps", "steps"))
        found.setdefault(aim, {}).setdefault((*same, cell.parts["named"]), []).append(cell)
    return [max(attacks.values(), key=_informative) for attacks in found.values()]


def _informative(cells: list[Stage]) -> tuple[bool, int, float, int]:
    """Bounded attacks before pictures that are swapped, and those that most kinds of attackers ran."""
    tags = cells[0].tags
    return tags["norm"] == "linf" and tags["eps"] < 1, len(cells), tags["eps"], tags["steps"]


def _shift(workspace: Workspace, stage: Stage, cells: list[Stage], album: Album) -> dict[str, Any]:
    """One map of pictures clean, filtered and attacked, as unit embeddings.

    An attacked picture that is refused is not among them: its item shows the old one.
    """
    rows: np.ndarray | None = None
    attacked: dict[str, tuple[np.ndarray, int]] = {}
    for cell in cells:
        pairs = workspace.arrays(cell, "pairs.npz")
        kept = slice(0, SHOWN)
        refused = np.zeros(len(pairs["attack_row"][kept]), dtype=bool)
        if cell.parts["guard"]["refuse"] and "flagged_after_8bit" in pairs:
            refused = pairs["flagged_after_8bit"][kept]
        embedding = pairs["embedding_8bit"][kept][~refused]
        attacked[cell.tags["knowledge"]] = embedding, int(refused.sum())
        own = np.unique(pairs["attack_row"][kept])
        rows = own if rows is None else np.union1d(rows, own)
    groups: dict[str, tuple[np.ndarray, int]] = {
        "clean": (workspace.embeddings(stage.needs["unguarded"])[rows], 0)
    }
    if stage.needs["embeddings"].key != stage.needs["unguarded"].key:  # there is a filter
        groups["filtered"] = workspace.embeddings(stage.needs["embeddings"])[rows], 0
    groups |= attacked
    points = flattened(unit_rows(np.concatenate([one for one, _ in groups.values()])), stage.parts["seed"])
    sizes = [len(one) for one, _ in groups.values()]
    tags = {**cell_tags(cells[0]), "attack": cells[0].parts["named"]}
    tags.pop("knowledge")
    return {
        **tags,
        "points": album.add(points),
        "labels": album.add(np.repeat(np.arange(len(sizes)), sizes)),
        "groups": list(groups),
        "refused": [count for _, count in groups.values()],
    }
