"""From the records of finished stages to ``results.json`` and ``exhibits.npz``."""

from __future__ import annotations

import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

import elliot_advrec
from elliot_advrec.experiment.attacking import success_rows
from elliot_advrec.experiment.comparing import compare
from elliot_advrec.experiment.stages import Finished, complete
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import resolve_precision
from elliot_advrec.recipe import Recipe

FORMAT = 1
LARGE = ("embedding_8bit",)  # (n, D) per attack, which no row needs
LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "faiss-cpu",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "Pillow",
)


def collect(
    recipe: Recipe, finished: list[Finished], workspace: Workspace
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The results document and the arrays of its exhibits."""
    adversarial = recipe.adversarial
    judged = [model.name for model in recipe.models if model.uses_images]
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if recipe.overlay is not None:
        notes.append(f"Run with --preset {recipe.overlay}: not the recipe's own settings.")
    exhibits: dict[str, list[Any]] = {"examples": [], "tsne": [], "distances": []}
    arrays: dict[str, np.ndarray] = {}
    for done in finished:
        stage, record = done.stage, done.record
        notes += [note for note in record["notes"] if note not in notes]
        found, owners = list(record["rows"]), [stage.tags.get("recommender")]
        if stage.kind == "attack":
            pairs = workspace.arrays(stage, "pairs.npz", but=LARGE)
            found = success_rows(pairs, stage.parts["threat"].config.rank_min) + found
            owners = list(judged)
        rows += [complete({**row, "recommender": owner}, stage.tags) for owner in owners for row in found]
        if stage.kind == "exhibits":
            for name, entries in record["exhibits"].items():
                exhibits[name] += entries
            arrays |= workspace.arrays(stage, "exhibits.npz")
    attacks = [done.stage for done in finished if done.stage.kind == "attack"]
    rows += compare(attacks, lambda stage: workspace.arrays(stage, "pairs.npz", but=LARGE), judged)
    return {
        "format": FORMAT,
        "name": recipe.name,
        "recipe": recipe.resolved(),
        "versions": versions(),
        "device": device_name(workspace.device),
        "precision": resolve_precision(adversarial.precision, workspace.device.type),
        "seeds": list(adversarial.seeds),
        "notes": notes,
        "stages": stage_table(finished),
        "rows": rows,
        "exhibits": exhibits,
        "peak_memory_mb": peak_memory_mb(),
    }, arrays


def stage_table(finished: list[Finished]) -> list[dict[str, Any]]:
    """One line a stage: name, key, seconds, gradient evaluations, and whether it was in the store already."""
    lines: dict[str, dict[str, Any]] = {}
    for done in finished:
        line = {
            "name": done.stage.label,
            "kind": done.stage.kind,
            "key": done.stage.key,
            "seconds": done.record["seconds"],
            "gradient_evaluations": done.record["gradient_evaluations"],
            "cached": done.cached,
        }
        lines.setdefault(done.stage.key, line)
    return list(lines.values())


def versions() -> dict[str, str]:
    """This package, Python, and the libraries that decide numbers."""
    found = {"elliot_advrec": elliot_advrec.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def device_name(device: torch.device) -> str:
    """What the networks ran on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def peak_memory_mb() -> float:
    """Highest resident memory of this process and of its largest child so far, added up."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1024 if platform.system() != "Darwin" else 1024 * 1024
    return round((own + child) / unit, 1)
