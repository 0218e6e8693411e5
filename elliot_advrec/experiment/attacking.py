"""The stage that attacks: one attack at one budget on the threat's pairs, a batch at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.data.pixels import PixelFile
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors import FrozenExtractor
from elliot_advrec.files import atomic
from elliot_advrec.metrics import perceptual
from elliot_advrec.metrics.rates import mean_interval, success_rate
from elliot_advrec.progress import Progress
from elliot_advrec.streams import Streams, stream_seed
from elliot_advrec.threats import Targets, Threat

SHOWN = 32  # attacked images kept for the report's pictures


def make_attack(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Attack every pair and judge it; finished batches are kept, so a killed stage goes on where it was."""
    parts = stage.parts
    extractor_stage = stage.needs["extractor"]
    catalog_stage = extractor_stage.needs["catalog"]
    catalog = workspace.catalog(catalog_stage)
    embeddings = workspace.embeddings(stage.needs["embeddings"])
    frozen = workspace.frozen(extractor_stage, stage.settings["precision"])
    pixels = workspace.pixels(catalog_stage)
    targets = parts["threat"].draw(len(catalog.ids), parts["seed"]).first(parts["pairs"])
    size = parts["batch_size"]
    count = len(targets.attack)
    batches = []
    with progress.track(stage.label, count) as advance:
        for start in range(0, count, size):
            part = targets.slice(start, min(start + size, count))
            path = folder / f"batch{start:08d}.npz"
            done = _read(path)
            if done is None:
                names = [
                    stream_seed(stage.settings["seed"], stage.settings["attack"], catalog.ids[a], catalog.ids[t])
                    for a, t in zip(part.attack, part.target, strict=True)
                ]
                done = attack_batch(
                    frozen, pixels, embeddings, parts["threat"], part, parts["attack"], parts["budget"],
                    Streams(names), workspace.device,
                )  # fmt: skip
                if start >= SHOWN:
                    done.pop("image")
                with atomic(path) as temporary, temporary.open("wb") as stream:
                    np.savez(stream, **done)
            batches.append(done)
            advance(len(part.attack))
    shown = np.concatenate([batch.pop("image") for batch in batches if "image" in batch])
    pairs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    np.savez(folder / "pairs.npz", **pairs)
    np.savez(folder / "images.npz", image=shown)
    for path in folder.glob("batch*.npz"):
        path.unlink()
    rows = success_rows(pairs, parts["threat"].config.rank_min) + cost_rows(pairs)
    return Outcome(rows=rows, gradients=int(pairs["gradient_evaluations"].sum()))


def attack_batch(
    frozen: FrozenExtractor,
    pixels: PixelFile,
    embeddings: np.ndarray,
    threat: Threat,
    targets: Targets,
    attack: Attack,
    budget: Budget,
    streams: Streams,
    device: torch.device,
) -> dict[str, np.ndarray]:
    """One batch of pairs: attacked, rounded to 8 bits, embedded both ways and judged.

    Returns:
        Per-pair arrays: ``attack_row``, ``target_row``, the judgement of the float image, that of the 8-bit
        image with the suffix ``_8bit``, perturbation sizes of the 8-bit image, what the attack spent, and the
        8-bit ``image`` (n, 3, S, S) itself.
    """
    clean = pixels.floats(targets.attack).to(device)
    table = torch.from_numpy(embeddings)
    loss = threat.loss(frozen, targets.attack, targets.target, table)
    found = attack(loss, clean, budget, streams)
    rounded = perceptual.round_to_8_bits(found.images, clean, budget.eps if budget.norm == "linf" else None)
    with torch.no_grad():
        exact = frozen.embed(found.images).float().cpu()
        stored = frozen.embed(rounded).float().cpu()
    judged = threat.judge(embeddings, targets, exact.numpy())
    judged_8bit = threat.judge(embeddings, targets, stored.numpy())
    return {
        "attack_row": targets.attack,
        "target_row": targets.target,
        **judged,
        **{f"{name}_8bit": values for name, values in judged_8bit.items() if name.endswith("_after")},
        "embedding_8bit": stored.numpy(),
        **{name: _numpy(values) for name, values in perceptual.measure(clean, rounded).items()},
        "loss": _numpy(found.loss),
        "gradient_evaluations": _numpy(found.gradient_evaluations),
        "queries": _numpy(found.queries),
        "image": _numpy((rounded * 255).round().to(torch.uint8)),
    }


def success_rows(pairs: dict[str, np.ndarray], rank_min: tuple[int, ...]) -> list[dict[str, object]]:
    """Success rates of the float and the 8-bit image, and of the untouched one, at each ``rank_min``."""
    found: list[dict[str, object]] = []
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


def cost_rows(pairs: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Means over pairs, with intervals, of distances, perturbation sizes and what was spent; median ranks."""
    found: list[dict[str, object]] = []
    count = len(pairs["rank_after"])
    for metric in ("cosine_before", "cosine_after", "ssim", "psnr", "linf", "l2", "gradient_evaluations", "queries"):
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
