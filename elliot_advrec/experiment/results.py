"""From the records of finished stages to ``results.json`` and ``exhibits.npz``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

import elliot_advrec
from elliot_advrec.experiment import sanity
from elliot_advrec.experiment.averaging import by_cell, cell_key, mean_rows, read_folds
from elliot_advrec.experiment.comparing import compare
from elliot_advrec.experiment.counting import attack_rows, detection_rows
from elliot_advrec.experiment.fitting_guards import CLEAN
from elliot_advrec.experiment.noticing import about_threshold, notices
from elliot_advrec.experiment.plan import RANKED
from elliot_advrec.experiment.stages import Finished, Stage, complete
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import resolve_precision
from elliot_advrec.memory import peak_mb
from elliot_advrec.recipe import Recipe
from elliot_advrec.recipe.reach import reached

FORMAT = 1
EXHIBITS = ("examples", "tsne", "shifts", "distances", "suspicion")
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
    judged = {
        threat.name: [model.name for model in reached(threat, recipe.models)]
        for threat in adversarial.threats
    }
    folded = {key: folds for key, folds in by_cell(finished).items() if len(folds) > 1}
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if recipe.overlay is not None:
        notes.append(f"Run with --preset {recipe.overlay}: not the recipe's own settings.")
    notes += [*notices(recipe), *_about_folds(recipe)]
    exhibits: dict[str, list[Any]] = {name: [] for name in EXHIBITS}
    arrays: dict[str, np.ndarray] = {}
    for done in finished:
        stage, record = done.stage, done.record
        notes += [note for note in record["notes"] if note not in notes]
        found, owners = list(record["rows"]), [stage.tags.get("recommender")]
        if stage.kind == "attack":
            pairs = workspace.arrays(stage, "pairs.npz", but=LARGE)
            found = attack_rows(stage.parts["threat"], pairs) + _detected(stage, pairs, workspace)
            if "recommender" not in stage.tags:
                owners = [*judged[stage.tags["threat"]]]
        if stage.kind in RANKED and cell_key(done) in folded:
            # The first of a cell's folds stands for all; the others find nothing left. Threats aim at it, so
            # what they measured besides is its own.
            folds = folded[cell_key(done)]
            metrics = recipe.experiment.evaluation.simple_metrics
            besides = [row for row in found if row["metric"] not in metrics]
            found = mean_rows(read_folds(folds, workspace)) + besides if done is folds[0] else []
        rows += [complete({**row, "recommender": owner}, stage.tags) for owner in owners for row in found]
        if stage.kind == "exhibits":
            for name, entries in record["exhibits"].items():
                exhibits[name] += entries
            arrays |= workspace.arrays(stage, "exhibits.npz")
    attacks = [done.stage for done in finished if done.stage.kind == "attack"]
    notes += _about_thresholds(
        [done.stage for done in finished if done.stage.kind == "guard"], attacks, workspace
    )
    rows += compare(attacks, lambda stage: workspace.arrays(stage, "pairs.npz", but=LARGE), judged)
    checked = sanity.checks(rows, finished, lambda stage: workspace.arrays(stage, "pairs.npz", but=LARGE))
    return {
        "format": FORMAT,
        "name": recipe.title,
        "recipe": recipe.resolved(),
        "versions": versions(),
        "device": device_name(workspace.device),
        "precision": resolve_precision(adversarial.precision, workspace.device.type),
        "seeds": list(adversarial.seeds),
        "notes": notes,
        "stages": stage_table(finished),
        "searches": [_search(done) for done in finished if done.stage.kind == "search"],
        "checks": checked,
        "rows": rows,
        "exhibits": exhibits,
        "peak_memory_mb": peak_mb(),
    }, arrays


def _detected(stage: Stage, pairs: Mapping[str, np.ndarray], workspace: Workspace) -> list[dict[str, Any]]:
    """What the detector of a defense made of an attack; nothing where there is none."""
    guard = stage.needs.get("guard")
    threshold = None if guard is None else workspace.record(guard)["threshold"]
    if guard is None or threshold is None:
        return []
    test = workspace.catalog(stage.needs["extractor"].needs["catalog"]).rows_of("test")
    return detection_rows(pairs, workspace.arrays(guard, CLEAN)["suspicion"], threshold, np.asarray(test))


def _about_thresholds(guards: list[Stage], attacks: list[Stage], workspace: Workspace) -> list[str]:
    """What a reader must know of thresholds that tell no pictures apart."""
    found: list[str] = []
    for guard in guards:
        threshold = workspace.record(guard)["threshold"]
        if threshold is None:
            continue
        mine = [a for a in attacks if all(a.tags[key] == guard.tags[key] for key in ("defense", "seed"))]
        pairs = [workspace.arrays(stage, "pairs.npz", but=LARGE) for stage in mine]
        scores = {
            "clean": [
                workspace.arrays(guard, CLEAN)["suspicion"],
                *(each["suspicion_before"] for each in pairs),
            ],
            "attacked": [each["suspicion_after_8bit"] for each in pairs],
        }
        found += [
            note for note in about_threshold(guard.tags["defense"], threshold, scores) if note not in found
        ]
    return found


def _about_folds(recipe: Recipe) -> list[str]:
    """What a reader must know of means over folds."""
    folds = recipe.experiment.folds
    tests = len({test for test, _ in folds})
    if len(folds) == 1:
        return []
    number = f"{tests} test fold{'s' if tests > 1 else ''}"
    if tests < len(folds):
        number += f", each with {len(folds) // tests} validation folds"
    said = (
        f"Ranking numbers are means over {number}; n counts each user once, and intervals take a user's lists"
    )
    differs = "; Elliot reports the one test fold with the best validation result" if tests > 1 else ""
    return [f"{said} in several folds together{differs}."]


def _search(done: Finished) -> dict[str, Any]:
    """A search and its candidates, as results hold them."""
    record = done.record
    return {
        "name": done.stage.label,
        "recommender": done.stage.tags["recommender"],
        "trials": record["trials"],
        "best": record["best"],
    }


def stage_table(finished: list[Finished]) -> list[dict[str, Any]]:
    """One line a stage: name, key, seconds, gradient evaluations, and whether it was in the store already."""
    lines: dict[str, dict[str, Any]] = {}
    for done in finished:
        line = {
            "name": done.stage.label,
            "kind": done.stage.kind,
            "key": done.stage.key,
            "seconds": done.record["seconds"],
            "peak_memory_mb": done.record.get("peak_memory_mb"),
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
        if not torch.cuda.is_available():  # they ran elsewhere
            return "CUDA"
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
