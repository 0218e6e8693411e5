"""The stage that attacks: one attack at one budget on the threat's pairs, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.data.pixels import PixelFile
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.files import write_arrays
from elliot_advrec.metrics import perceptual
from elliot_advrec.metrics.rates import mean_interval, success_rate
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Targets, Threat

SHOWN = 32  # attacked images kept for the report's pictures


def make_attack(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Attack every pair, then judge them; finished batches are kept, so a killed stage goes on there."""
    parts = stage.parts
    extractor_stage = stage.needs["extractor"]
    catalog_stage = extractor_stage.needs["catalog"]
    embeddings = workspace.embeddings(stage.needs["embeddings"])
    targets = parts["threat"].draw(len(embeddings), parts["seed"]).first(parts["pairs"])
    bench = Bench(
        workspace.frozen(extractor_stage, stage.settings["precision"]),
        workspace.frozen(extractor_stage),
        workspace.pixels(catalog_stage),
        torch.from_numpy(embeddings).to(workspace.device),
        parts["threat"],
        parts["attack"],
        parts["budget"],
        workspace.device,
    )
    ids, seed, kind = workspace.catalog(catalog_stage).ids, stage.settings["seed"], stage.settings["attack"]
    batches = []
    with progress.track(stage.label, len(targets)) as advance:
        for start in range(0, len(targets), parts["batch_size"]):
            some = targets.slice(start, start + parts["batch_size"])
            path = folder / f"batch{start:08d}.npz"
            done = _read(path)
            if done is None:
                named = [(ids[a], ids[t]) for a, t in zip(some.attack, some.target, strict=True)]
                done = attack_batch(bench, some, Streams([stream_seed(seed, kind, a, t) for a, t in named]))
                if start >= SHOWN:
                    del done["image"]
                write_arrays(path, done)
            batches.append(done)
            advance(len(some))
    shown = np.concatenate([batch.pop("image") for batch in batches if "image" in batch])
    pairs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    judged = parts["threat"].judge(bench.embeddings, targets, pairs.pop("embedding"))
    judged_8bit = parts["threat"].judge(bench.embeddings, targets, pairs["embedding_8bit"])
    pairs |= judged | {
        f"{name}_8bit": found for name, found in judged_8bit.items() if name.endswith("_after")
    }
    pairs |= {"attack_row": targets.attack, "target_row": targets.target}
    write_arrays(folder / "pairs.npz", pairs)
    write_arrays(folder / "images.npz", {"image": shown})
    for path in folder.glob("batch*.npz"):
        path.unlink()
    # Success at each rank_min is counted when rows are collected: it decides nothing here.
    return Outcome(rows=cost_rows(pairs), gradients=int(pairs["gradient_evaluations"].sum()))


@dataclass(frozen=True)
class Bench:
    """What every batch of one attack stage shares: the attack differentiates one view, another judges."""

    attacked: FrozenExtractor
    judge: FrozenExtractor
    pixels: PixelFile
    embeddings: Tensor
    threat: Threat
    attack: Attack
    budget: Budget
    device: torch.device


def attack_batch(bench: Bench, targets: Targets, streams: Streams) -> dict[str, np.ndarray]:
    """One batch of pairs: attacked, rounded to 8 bits, embedded both ways.

    Returns:
        Per-pair arrays: ``embedding`` of the image as the attack left it, ``embedding_8bit`` of the image as
        an 8-bit file holds it, sizes of the 8-bit perturbation, what the attack spent, and the 8-bit
        ``image`` (n, 3, S, S) itself.
    """
    clean = bench.pixels.floats(targets.attack).to(bench.device)
    loss = bench.threat.loss(bench.attacked, targets.attack, targets.target, bench.embeddings)
    found = bench.attack(loss, clean, bench.budget, streams)
    radius = bench.budget.eps if bench.budget.norm == "linf" else None
    rounded = perceptual.round_to_8_bits(found.images, clean, radius)
    with torch.no_grad():
        exact, stored = bench.judge.embed(found.images), bench.judge.embed(rounded)
    return {
        "embedding": _numpy(exact.float()),
        "embedding_8bit": _numpy(stored.float()),
        **{name: _numpy(values) for name, values in perceptual.measure(clean, rounded).items()},
        "loss": _numpy(found.loss),
        "gradient_evaluations": _numpy(found.gradient_evaluations),
        "queries": _numpy(found.queries),
        "image": _numpy((rounded * 255).round().to(torch.uint8)),
    }


def success_rows(pairs: dict[str, np.ndarray], rank_min: Sequence[int]) -> list[dict[str, Any]]:
    """Success rates of the float and the 8-bit image, and of the untouched one, at each ``rank_min``."""
    found: list[dict[str, Any]] = []
    ranks = {
        "success_rate": pairs["rank_after"],
        "success_rate_8bit": pairs["rank_after_8bit"],
        "success_rate_clean": pairs["rank_before"],
    }
    for limit in rank_min:
        for metric, values in ranks.items():
            rate = success_rate(values, limit)
            found.append(
                row(metric, rate.value, rank_min=limit, ci_low=rate.low, ci_high=rate.high, n=rate.n)
            )
    return found


def cost_rows(pairs: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Means over pairs, with intervals, of distances, perturbation sizes and what was spent; median ranks."""
    found: list[dict[str, Any]] = []
    count = len(pairs["rank_after"])
    for metric in (
        "cosine_before",
        "cosine_after",
        "ssim",
        "psnr",
        "linf",
        "l2",
        "gradient_evaluations",
        "queries",
    ):
        values = pairs[metric].astype(float)
        finite = values[np.isfinite(values)]  # PSNR of an unchanged image is infinite
        if len(finite):
            mean, low, high = mean_interval(finite)
            found.append(row(metric, mean, ci_low=low, ci_high=high, n=len(finite)))
    for metric in ("rank_before", "rank_after"):
        found.append(row(f"median_{metric}", float(np.median(pairs[metric])), n=count))
    return found


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _read(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
