"""The stage that attacks: one attack at one budget on the threat's pairs, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.bench import RESUBMITTED, Batch, Bench, attack_batch, handed_in, items
from elliot_advrec.experiment.knowing import Known
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.staging import blamed, rows_of, targets_of
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import read_arrays, write_arrays
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats import Scene, Targets, Threat

SHOWN = 32  # attacked images kept for the report's pictures
KEPT = "images"
"""Folder of all attacked images, a file a batch, where a defense is to face them too."""
Make = Callable[[Targets, int], Batch]


def make_attack(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Attack every pair, then judge them; finished batches are kept, so a killed stage goes on there.

    Where several processes make it, each attacks some of the batches, and the first one judges all.
    """
    bench = Bench.of(workspace, stage)
    if "attack" in stage.needs:
        targets, make = _taken_over(workspace, stage, bench)
    else:
        targets, make = _attacked(stage, bench)
    kept = stage.settings.get("kept", False)
    if kept:
        (folder / KEPT).mkdir(exist_ok=True)
    size, group = stage.parts["batch_size"], workspace.group
    starts = range(0, len(targets), size)
    mine = starts[group.rank :: group.size]
    with group.apart(), progress.track(stage.label, len(targets)) as advance:
        for start in mine:
            some = targets.slice(start, start + size)
            path = _batch(folder, start)
            made = _read(path) is not None and (not kept or _read(_pictures(folder, start)) is not None)
            if not made:
                done = make(some, start)
                if kept:
                    write_arrays(_pictures(folder, start), {"image": done["image"]})
                if start >= SHOWN:
                    del done["image"]
                write_arrays(path, done)
            advance(min(len(some) * group.size, len(targets)))
    if not group.first:
        return Outcome()
    batches = [_finished(_batch(folder, start)) for start in starts]
    shown = [batch.pop("image") for batch in batches if "image" in batch]
    pairs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    exact, again = pairs.pop("embedding"), pairs.pop(f"embedding_{RESUBMITTED}", None)
    pairs |= judged(bench.threat, bench.scene, targets, exact, pairs["embedding_8bit"], again)
    pairs |= rows_of(targets)
    write_arrays(folder / "pairs.npz", pairs)
    write_arrays(folder / "images.npz", {"image": np.concatenate(shown)})
    for path in folder.glob("batch*.npz"):
        path.unlink()
    # All rows are counted when results are collected: they decide nothing here.
    spent = 0 if "attack" in stage.needs else int(pairs["gradient_evaluations"].sum())
    return Outcome(gradients=spent)


def judged(
    threat: Threat,
    place: Scene,
    targets: Targets,
    exact: np.ndarray,
    rounded: np.ndarray,
    again: np.ndarray | None = None,
) -> Batch:
    """What the threat says of the attacked embeddings (n,D); ``_8bit`` of the rounded pictures' ones.

    Args:
        again: of the best of several tries, where there were some; ``_resubmitted``.
    """
    found = threat.judge(place, targets, exact)
    for suffix, embeddings in (("8bit", rounded), (RESUBMITTED, again)):
        if embeddings is not None:
            other = threat.judge(place, targets, embeddings)
            found |= {f"{name}_{suffix}": value for name, value in other.items() if name.endswith("_after")}
    return found


SPENT = ("loss", "gradient_evaluations", "queries", "image_updates", "queries_until_detected")
"""What pictures that are taken over bring along."""


def _attacked(stage: Stage, bench: Bench) -> tuple[Targets, Make]:
    """The threat's pairs, and what attacks a batch of them."""
    with blamed(stage):
        targets = bench.threat.draw(bench.scene, stage.parts["seed"]).first(stage.parts["pairs"])
    seed, kind = stage.settings["seed"], stage.settings["attack"]
    how = stage.parts.get("guard", {})

    def make(some: Targets, start: int) -> Batch:
        named = zip(items(bench, some), bench.threat.names(bench.scene, some), strict=True)
        seeds = [stream_seed(seed, kind, a, t) for a, t in named]
        known = Known(bench.shop.guard, seeds, how.get("draws", 1), how.get("evasion", ()))
        return attack_batch(bench, some, known)

    return targets, make


def _taken_over(workspace: Workspace, stage: Stage, bench: Bench) -> tuple[Targets, Make]:
    """The pairs of an attack that knew nothing of the defense, and what hands a batch of its pictures in."""
    source = stage.needs["attack"]
    pairs = workspace.arrays(source, "pairs.npz")
    brought = [name for name in SPENT if name in pairs]

    def make(some: Targets, start: int) -> Batch:
        rows = slice(start, start + len(some))
        with np.load(_pictures(workspace.folder(source), start), allow_pickle=False) as file:
            image = file["image"]
        clean = bench.pixels.floats(some.attack).to(bench.device)
        taken = torch.from_numpy(image).to(bench.device).float() / 255
        loss = bench.threat.loss(bench.scene, bench.attacked, some)
        found = handed_in(bench, some, clean, taken, taken, loss.main)
        return {**{name: pairs[name][rows] for name in brought}, **found, "image": image}

    return targets_of(pairs), make


def _pictures(folder: Path, start: int) -> Path:
    return folder / KEPT / f"{start:08d}.npz"


def _batch(folder: Path, start: int) -> Path:
    return folder / f"batch{start:08d}.npz"


def _finished(path: Path) -> Batch:
    """A batch that was made.

    Raises:
        UserError: it cannot be read back: none may be left out, or pairs would be judged by others' pictures.
    """
    found = _read(path)
    if found is None:
        raise UserError(
            "an attacked batch cannot be read back",
            where=str(path),
            remedy="all processes need to see the store; run the same command again",
        )
    return found


def _read(path: Path) -> Batch | None:
    """What a killed stage left there; None where that is nothing, or was cut off or changed since."""
    try:
        return read_arrays(path)  # which checks the sums that an archive holds
    except (OSError, ValueError):
        return None
