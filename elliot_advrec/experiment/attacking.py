"""The stage that attacks: one attack at one budget on the threat's pairs, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from elliot_advrec.experiment.bench import RESUBMITTED, Batch, Bench, attack_batch, handed_in, items
from elliot_advrec.experiment.knowing import Known
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.staging import blamed, rows_of, targets_of
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import write_arrays
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats import Scene, Targets, Threat

SHOWN = 32  # attacked images kept for the report's pictures
KEPT = "images"
"""Folder of all attacked images, a file a batch, where a defense is to face them too."""
Make = Callable[[Targets, int], Batch]


def make_attack(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Attack every pair, then judge them; finished batches are kept, so a killed stage goes on there."""
    bench = Bench.of(workspace, stage)
    if "attack" in stage.needs:
        targets, make = _taken_over(workspace, stage, bench)
    else:
        targets, make = _attacked(stage, bench)
    kept = stage.settings.get("kept", False)
    if kept:
        (folder / KEPT).mkdir(exist_ok=True)
    batches, shown = [], []
    with progress.track(stage.label, len(targets)) as advance:
        for start in range(0, len(targets), stage.parts["batch_size"]):
            some = targets.slice(start, start + stage.parts["batch_size"])
            path = folder / f"batch{start:08d}.npz"
            done = _read(path)
            if done is None:
                done = make(some, start)
                if kept:
                    write_arrays(_pictures(folder, start), {"image": done["image"]})
                if start >= SHOWN:
                    del done["image"]
                write_arrays(path, done)
            if "image" in done:
                shown.append(done.pop("image"))
            batches.append(done)
            advance(len(some))
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


<<<<<<< HEAD
=======
SPENT = ("loss", "gradient_evaluations", "queries", "image_updates", "queries_until_detected")
"""What pictures that are taken over bring along."""


def attack_batch(bench: Bench, targets: Targets, known: Known) -> Batch:
    """One batch of pairs: attacked, rounded to 8 bits, handed in both ways.

    Returns:
        Per-pair arrays: what ``_handed_in`` gives, what the attack spent, and the 8-bit ``image``
        (n, 3, S, S) itself.
    """
    clean = bench.pixels.floats(targets.attack).to(bench.device)
    loss = bench.threat.loss(bench.scene, bench.attacked, targets)
    # An attack on values uploads pictures, and a shop may look at what one account uploads.
    watch = None if bench.alarm is None else RepeatedQueries(len(targets), bench.alarm)
    found = known.attack(bench.attack, loss, clean, bench.budget, watch)
    radius = bench.budget.eps if bench.budget.norm == "linf" else None
    rounded = perceptual.round_to_8_bits(found.images, clean, radius)
    seen = {} if watch is None else {"queries_until_detected": _numpy(watch.queries_until_detected())}
    return {
        **seen,
        **_handed_in(bench, targets, clean, found.images, rounded, loss.main),
        "loss": _numpy(found.loss),
        "gradient_evaluations": _numpy(found.gradient_evaluations),
        "queries": _numpy(found.queries),
        "image_updates": _numpy(found.image_updates),
        "image": _numpy((rounded * 255).round().to(torch.uint8)),
    }


def _handed_in(
    bench: Bench,
    targets: Targets,
    clean: Tensor,
    exact: Tensor,
    rounded: Tensor,
    value: Callable[[Tensor, Tensor], Tensor],
) -> Batch:
    """What becomes of attacked pictures in the shop.

    Args:
        clean: (n, 3, S, S) untouched pictures.
        exact: the attacked ones.
        rounded: those as 8-bit files hold them.
        value: of the attacker's loss, by which the best of several tries is chosen.

    Returns:
        Per-pair arrays: ``embedding`` of the picture as the attack left it, ``embedding_8bit`` of the one in
        8 bits (of the picture that the item had, where the new one was refused) and the sizes of its
        perturbation; where there are several tries also ``embedding_resubmitted`` of the best, and where
        there is a detector ``flagged_...`` and ``suspicion_...``, its scores.
    """
    shop, names = bench.shop, _items(bench, targets)
    kept = torch.as_tensor(bench.scene.embeddings)[torch.as_tensor(targets.attack)]
    kept = kept.to(bench.device)
    moments = {"after_8bit": shop.receive(rounded, names, kept)}
    moments["after"] = moments["after_8bit"] if exact is rounded else shop.receive(exact, names, kept)
    found = {
        "embedding": _numpy(moments["after"].embedding),
        "embedding_8bit": _numpy(moments["after_8bit"].embedding),
        **{name: _numpy(values) for name, values in perceptual.measure(clean, rounded).items()},
    }
    if bench.lpips is not None:
        found["lpips"] = _numpy(lpips(bench.lpips, clean, rounded))
    if shop.tries > 1:
        again = shop.resubmit(clean, rounded, names, kept, value)
        found[f"embedding_{RESUBMITTED}"] = _numpy(again.embedding)
        moments[f"after_{RESUBMITTED}"] = again
    untouched = shop.suspicion(clean, names)
    if untouched is not None:
        found["suspicion_before"] = _numpy(untouched)
    for moment, received in moments.items():
        if received.flagged is not None and received.suspicion is not None:
            found[f"flagged_{moment}"] = _numpy(received.flagged)
            found[f"suspicion_{moment}"] = _numpy(received.suspicion)
    return found


def _items(bench: Bench, targets: Targets) -> list[str]:
    return [bench.ids[row] for row in targets.attack]


>>>>>>> d49970a9588c5a14d3f05872be73461b524f706b
def _pictures(folder: Path, start: int) -> Path:
    return folder / KEPT / f"{start:08d}.npz"


def _read(path: Path) -> Batch | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
