"""Stages that train and read the extractor: its weights, the catalog's embeddings, its accuracy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elliot_advrec.defenses.accuracy import adversarial_accuracy
from elliot_advrec.experiment.given_features import make_given
from elliot_advrec.experiment.stages import Outcome, Stage, row
from elliot_advrec.experiment.workspace import EXTRACTOR, Workspace
from elliot_advrec.extractors.evaluation import evaluate
from elliot_advrec.extractors.extractor import Extractor
from elliot_advrec.extractors.training import train
from elliot_advrec.files import atomic
from elliot_advrec.metrics.rates import wilson
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed

EMBED_BATCH = 64
EPS, STEPS = 0.03, 8  # the adversary that Komal 2022, table 3, measures accuracy under
PICTURES = 2_000
"""Test pictures, at most, that it attacks: enough to tell a rate to 2 points."""
CLEAN = {
    "accuracy": "category_n",
    "top5_accuracy": "category_n",
    "category_loss": "category_n",
    "texture_top1_precision": "texture_n",
    "texture_loss": "texture_n",
}
"""Metric -> what it is a mean over."""


def make_extractor(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Train the extractor, under the defense if there is one, from scratch or from the clean weights."""
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    settings, seed = stage.parts["settings"], stage.parts["seed"]
    if "clean" in stage.needs:
        extractor = workspace.extractor(stage.needs["clean"])
    else:
        extractor = Extractor(settings, catalog.categories, catalog.attribute_names, pixels.size, seed=seed)
    history = train(
        extractor,
        catalog,
        pixels,
        stage.parts["training"],
        defense=stage.parts["defense"],
        adversary=stage.parts["adversary"],
        seed=seed,
        device=workspace.device,
        folder=folder / "training",
        progress=progress,
        group=workspace.group,
    )
    if not workspace.group.first:
        return Outcome()
    extractor.save(folder / EXTRACTOR)
    _keep_curves(folder)
    trained = int((catalog.split == "train").sum())
    return Outcome(
        gradients=round(trained * stage.gradients_per_picture), extra={"history": history.to_json()}
    )


def _keep_curves(folder: Path) -> None:
    """Drop the state that only a killed training needs; TensorBoard's curves stay, in ``curves``."""
    curves = list((folder / "training").glob("**/events.out.tfevents*"))
    if curves:
        (folder / "curves").mkdir(exist_ok=True)
        for path in curves:
            path.replace(folder / "curves" / path.name)
    shutil.rmtree(folder / "training")


def make_embeddings(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Embed the whole catalog as the shop sees it, a batch at a time; or take features that are given."""
    if "extractor" not in stage.needs:
        return make_given(workspace, stage, folder)
    pixels, ids = workspace.pixels(stage.needs["catalog"]), workspace.catalog(stage.needs["catalog"]).ids
    shop = workspace.shop(stage)
    count = len(pixels)
    shape = (count, shop.view.embedding_dim)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        progress.track("embedding", count) as advance,
        torch.no_grad(),
        # Written in order, not through a memory map: on a full disk that would kill the process.
        atomic(folder / "embeddings.npy") as temporary,
        temporary.open("wb") as stream,
    ):
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, count, EMBED_BATCH):
            rows = np.arange(start, min(start + EMBED_BATCH, count))
            batch = pixels.floats(rows).to(workspace.device)
            found = shop.embed(batch, [ids[item] for item in rows])
            stream.write(found.cpu().numpy().astype("<f4").tobytes())
            advance(len(rows))
    return Outcome()


def make_accuracy(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Clean accuracy of both heads on the test split; of categories under PGD-8 at eps 0.03 on some of it."""
    catalog = workspace.catalog(stage.needs["catalog"])
    pixels = workspace.pixels(stage.needs["catalog"])
    frozen = workspace.frozen(stage.needs["extractor"])
    rows = np.flatnonzero(catalog.split == "test")
    if len(rows) == 0:
        return Outcome(notes=["The catalog has no test split: accuracy is not reported."])
    with progress.track("accuracy", len(rows)) as advance:
        measured = evaluate(frozen, catalog, pixels, rows, device=workspace.device, advance=advance)
    found = _rows(measured, CLEAN)
    gradients = 0
    rows = rows[catalog.category[rows] >= 0] if catalog.categories else rows[:0]
    if len(rows):
        seed = stage.parts["seed"]
        rows = _some(rows, seed)
        with progress.track(f"accuracy under PGD-{STEPS} at eps {EPS}", len(rows)) as advance:
            attacked = adversarial_accuracy(
                frozen, catalog, pixels, rows,
                eps=EPS, steps=STEPS, seed=seed, device=workspace.device, advance=advance,
            )  # fmt: skip
        gradients = STEPS * attacked["n"]
        columns = {"attack": "pgd", "eps": EPS, "norm": "linf", "steps": STEPS}
        found += [
            {**row, **columns, "metric": "adversarial_accuracy"}
            for row in _rows(attacked, {"accuracy": "category_n"})
        ]
    return Outcome(rows=found, gradients=gradients)


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    """At most ``PICTURES`` of the rows, in order; of one seed the same ones for every extractor."""
    if len(rows) <= PICTURES:
        return rows
    rng = np.random.default_rng(stream_seed(seed, "accuracy"))
    return np.sort(rng.choice(rows, PICTURES, replace=False))


def _rows(measured: dict[str, Any], metrics: dict[str, str]) -> list[dict[str, Any]]:
    """Shares get a Wilson interval; losses are means without one; what was not measured has no row."""
    found = []
    for metric, count in metrics.items():
        value, n = measured[metric], measured[count]
        if value is None:
            continue
        low, high = (None, None) if metric.endswith("loss") else wilson(round(value * n), n)
        found.append(row(metric, value, ci_low=low, ci_high=high, n=n))
    return found
