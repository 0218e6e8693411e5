"""Stages that train and read the extractor: its weights, the catalog's embeddings, its accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from elliot_advrec.defenses.accuracy import adversarial_accuracy
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors import build_extractor, evaluate, train
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.progress import Progress

EMBED_BATCH = 64


def make_extractor(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Train the extractor, with the training defense if there is one, from scratch or from the clean weights."""
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    settings, seed = stage.parts["settings"], stage.parts["seed"]
    if "clean" in stage.needs:
        extractor = workspace.extractor(stage.needs["clean"])
        extractor = type(extractor).load(workspace.folder(stage.needs["clean"]) / "extractor.safetensors")
    else:
        extractor = build_extractor(settings, catalog.categories, catalog.attribute_names, pixels.size, seed=seed)
    extractor.to(workspace.device)
    history = train(
        extractor,
        catalog,
        pixels,
        stage.parts["training"],
        defense=stage.parts["defense"],
        seed=seed,
        device=workspace.device,
        folder=folder / "training",
        progress=progress,
    )
    extractor.save(folder / "extractor.safetensors")
    return Outcome(gradients=history.gradient_evaluations, extra={"history": history.epochs})


def make_embeddings(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Embed the whole catalog with the frozen view, a batch at a time."""
    pixels = workspace.pixels(stage.needs["catalog"])
    frozen = workspace.frozen(stage.needs["extractor"], stage.settings["precision"])
    count = len(pixels)
    shape = (count, frozen.embedding_dim)
    out = np.lib.format.open_memmap(folder / "embeddings.npy", "w+", dtype=np.float32, shape=shape)
    with progress.track("embedding", count) as advance, torch.no_grad():
        for start in range(0, count, EMBED_BATCH):
            rows = np.arange(start, min(start + EMBED_BATCH, count))
            batch = pixels.floats(rows).to(workspace.device)
            out[rows] = frozen.embed(batch).float().cpu().numpy()
            advance(len(rows))
    out.flush()
    return Outcome()


def make_accuracy(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Clean accuracy of both heads on the test split, and category accuracy under PGD-8 at eps 0.03."""
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    frozen = workspace.frozen(stage.needs["extractor"], stage.settings["precision"])
    rows = np.flatnonzero(catalog.split == "test")
    if len(rows) == 0:
        return Outcome(notes=["The catalog has no test split: accuracy is not reported."])
    clean = evaluate(frozen, catalog, pixels, rows, device=workspace.device)
    found = [_rated(name, value, n) for name, (value, n) in clean.items() if n]
    gradients = 0
    if catalog.categories:
        attacked = adversarial_accuracy(
            frozen, catalog, pixels, rows, seed=stage.parts["seed"], device=workspace.device, progress=progress
        )
        gradients = attacked.gradient_evaluations
        columns = {"attack": "pgd", "eps": attacked.eps, "norm": "linf", "steps": attacked.steps}
        found.append({**_rated("adversarial_accuracy", attacked.accuracy, attacked.n), **columns})
    return Outcome(rows=found, gradients=gradients)


def _rated(metric: str, value: float, n: int) -> dict[str, object]:
    """Shares get a Wilson interval; losses are means without one."""
    if metric.endswith("loss"):
        return row(metric, value, n=n)
    low, high = wilson(round(value * n), n)
    return row(metric, value, ci_low=low, ci_high=high, n=n)
