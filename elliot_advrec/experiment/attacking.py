"""The stage that attacks: one attack at one budget on the threat's pairs, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.detection import RepeatedQueries
from elliot_advrec.data.pixels import PixelFile
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.staging import blamed, rows_of, scene
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.files import write_arrays
from elliot_advrec.metrics import perceptual
from elliot_advrec.metrics.lpips import lpips
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene, Targets, Threat

SHOWN = 32  # attacked images kept for the report's pictures
NEIGHBOURS = 10  # of an upload, whose mean distance decides about an alarm


def make_attack(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Attack every pair, then judge them; finished batches are kept, so a killed stage goes on there."""
    parts = stage.parts
    threat: Threat = parts["threat"]
    extractor_stage = stage.needs["extractor"]
    catalog_stage = extractor_stage.needs["catalog"]
    place = scene(workspace, stage)
    with blamed(stage):
        targets = threat.draw(place, parts["seed"]).first(parts["pairs"])
    bench = Bench(
        workspace.frozen(extractor_stage, stage.settings["precision"]),
        workspace.frozen(extractor_stage),
        workspace.pixels(catalog_stage),
        place,
        threat,
        parts["attack"],
        parts["budget"],
        workspace.device,
        _alarm(parts["attack"], place),
        workspace.lpips(parts["lpips"]),
    )
    ids, seed, kind = workspace.catalog(catalog_stage).ids, stage.settings["seed"], stage.settings["attack"]
    batches = []
    with progress.track(stage.label, len(targets)) as advance:
        for start in range(0, len(targets), parts["batch_size"]):
            some = targets.slice(start, start + parts["batch_size"])
            path = folder / f"batch{start:08d}.npz"
            done = _read(path)
            if done is None:
                named = zip((ids[row] for row in some.attack), threat.names(place, some), strict=True)
                done = attack_batch(bench, some, Streams([stream_seed(seed, kind, a, t) for a, t in named]))
                if start >= SHOWN:
                    del done["image"]
                write_arrays(path, done)
            batches.append(done)
            advance(len(some))
    shown = np.concatenate([batch.pop("image") for batch in batches if "image" in batch])
    pairs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    pairs |= judged(threat, place, targets, pairs.pop("embedding"), pairs["embedding_8bit"])
    pairs |= rows_of(targets)
    write_arrays(folder / "pairs.npz", pairs)
    write_arrays(folder / "images.npz", {"image": shown})
    for path in folder.glob("batch*.npz"):
        path.unlink()
    # All rows are counted when results are collected: they decide nothing here.
    return Outcome(gradients=int(pairs["gradient_evaluations"].sum()))


def judged(
    threat: Threat, place: Scene, targets: Targets, exact: np.ndarray, rounded: np.ndarray
) -> dict[str, np.ndarray]:
    """What the threat says of the attacked embeddings (n,D), and ``_8bit`` of the rounded pictures'."""
    after = threat.judge(place, targets, exact)
    of_files = threat.judge(place, targets, rounded)
    return after | {f"{name}_8bit": found for name, found in of_files.items() if name.endswith("_after")}


@dataclass(frozen=True)
class Bench:
    """What every batch of one attack stage shares: the attack differentiates one view, another judges."""

    attacked: FrozenExtractor
    judge: FrozenExtractor
    pixels: PixelFile
    scene: Scene
    threat: Threat
    attack: Attack
    budget: Budget
    device: torch.device
    alarm: float | None = None
    """Distance of uploads that raises an alarm; None: the attack uploads nothing on its way."""
    lpips: torch.nn.Module | None = None
    """Network of the learned perceptual distance; None: it is not measured."""


def attack_batch(bench: Bench, targets: Targets, streams: Streams) -> dict[str, np.ndarray]:
    """One batch of pairs: attacked, rounded to 8 bits, embedded both ways.

    Returns:
        Per-pair arrays: ``embedding`` of the image as the attack left it, ``embedding_8bit`` of the image as
        an 8-bit file holds it, sizes of the 8-bit perturbation, what the attack spent, and the 8-bit
        ``image`` (n, 3, S, S) itself.
    """
    clean = bench.pixels.floats(targets.attack).to(bench.device)
    loss = bench.threat.loss(bench.scene, bench.attacked, targets)
    # An attack on values uploads pictures, and a shop may look at what one account uploads.
    watch = None if bench.alarm is None else RepeatedQueries(len(targets), bench.alarm)
    found = bench.attack(loss, clean, bench.budget, streams, watch)
    radius = bench.budget.eps if bench.budget.norm == "linf" else None
    rounded = perceptual.round_to_8_bits(found.images, clean, radius)
    with torch.no_grad():
        exact, stored = bench.judge.embed(found.images), bench.judge.embed(rounded)
    seen = {} if watch is None else {"queries_until_detected": _numpy(watch.queries_until_detected())}
    if bench.lpips is not None:
        seen["lpips"] = _numpy(lpips(bench.lpips, clean, rounded))
    return {
        **seen,
        "embedding": _numpy(exact.float()),
        "embedding_8bit": _numpy(stored.float()),
        **{name: _numpy(values) for name, values in perceptual.measure(clean, rounded).items()},
        "loss": _numpy(found.loss),
        "gradient_evaluations": _numpy(found.gradient_evaluations),
        "queries": _numpy(found.queries),
        "image_updates": _numpy(found.image_updates),
        "image": _numpy((rounded * 255).round().to(torch.uint8)),
    }


def _alarm(attack: Attack, place: Scene) -> float | None:
    if attack.needs == "gradient" or len(place) <= NEIGHBOURS:
        return None
    return RepeatedQueries.calibrate(torch.as_tensor(place.embeddings), neighbours=NEIGHBOURS)


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _read(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
