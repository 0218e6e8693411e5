"""The stage that searches a model's settings on the validation part, as Elliot does."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.fitting import fit
from elliot_advrec.experiment.judging import measure
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import write_json
from elliot_advrec.metrics.measured import Ranking
from elliot_advrec.progress import Progress
from elliot_advrec.recommenders import Recommender
from elliot_advrec.recommenders.base import DivergedError
from elliot_advrec.recommenders.tuning.search import Trial, evaluations, search

TRIALS = "trials.json"


def make_search(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Try candidates; each is fitted on every validation fold, and the mean over them decides.

    Where there is no validation part, the test decides, as in Elliot, and a note says so. A candidate whose
    training diverges cannot win, and a note names it. Candidates that are done are kept, so a killed search
    goes on with the next one.
    """
    parts, meta = stage.parts, stage.parts["meta"]
    known: dict[str, dict[str, Any]] = _read(folder / TRIALS)
    count = evaluations(parts["space"], meta.hyper_opt_alg, meta.hyper_max_evals, parts["where"])
    with progress.track(stage.label, count) as advance:

        def objective(config: Config) -> float:
            name = config.model_dump_json()
            if name not in known:
                known[name] = _tried(workspace, stage, config, folder / "training", progress)
                write_json(folder / TRIALS, known)
            advance(1)
            loss = known[name]["loss"]
            return math.nan if loss is None else loss

        found = search(
            parts["space"],
            objective,
            algorithm=meta.hyper_opt_alg,
            max_evals=meta.hyper_max_evals,
            seed=parts["seed"],
            where=parts["where"],
        )
    best = found.trials.index(found.best)
    (folder / TRIALS).unlink()
    shutil.rmtree(folder / "training", ignore_errors=True)
    return Outcome(
        notes=_notes(stage, len(found.trials)) + _diverged(stage, found.trials, known),
        extra={"trials": [_listed(trial, known) for trial in found.trials], "best": best},
    )


def _tried(
    workspace: Workspace, stage: Stage, config: Config, training: Path, progress: Progress
) -> dict[str, Any]:
    """Loss and test results of one candidate, means over the validation folds."""
    losses, results = [], []
    for role, interactions in sorted(stage.needs.items()):
        if not role.startswith("interactions"):
            continue
        place = training / f"{role}-{_short(config)}"
        seen = stage.needs.get(role.replace("interactions", "embeddings"))
        try:
            recommender = fit(workspace, stage, interactions, seen, config, place, progress)
        except DivergedError:
            shutil.rmtree(place, ignore_errors=True)
            return {"loss": None, "test": {}, "diverged": True}
        fold = workspace.interactions(interactions)
        tested = measure(recommender, fold, stage.parts["evaluation"], known_only=stage.parts["known_only"])
        losses.append(_loss(stage, fold, recommender, tested))
        results.append({f"{metric}@{k}": tested.value(metric, k) for metric, k in tested})
    loss = float(np.mean(losses))
    means = {name: float(np.mean([result[name] for result in results])) for name in results[0]}
    return {
        "loss": loss if math.isfinite(loss) else None,
        "test": {name: value if math.isfinite(value) else None for name, value in means.items()},
    }


def _loss(stage: Stage, fold: Interactions, recommender: Recommender, tested: Ranking) -> float:
    """What the search minimises; where there is no validation part, by what was measured on the test."""
    parts, selection = stage.parts, stage.parts["selection"]
    if selection.optimize_internal_loss:
        history: Any = recommender
        return min(epoch.loss for epoch in history.history.epochs if epoch.validated)
    measured = tested
    if parts["validated"]:
        measured = measure(
            recommender, fold, parts["evaluation"], known_only=parts["known_only"], split="validation"
        )
    return -measured.value(*selection.key())


def _notes(stage: Stage, count: int) -> list[str]:
    name = stage.tags["recommender"]
    selection = stage.parts["selection"]
    if selection.optimize_internal_loss:
        return [f"{name}: the best of {count} candidates by training loss."]
    chosen = "{}@{}".format(*selection.key())
    if stage.parts["validated"]:
        return [f"{name}: the best of {count} candidates by {chosen} on the validation part."]
    return [
        f"{name}: the best of {count} candidates by {chosen} on the test itself, as in Elliot where there is "
        "no validation part: its numbers are too good. Add a validation_splitting."
    ]


def _diverged(stage: Stage, trials: Sequence[Trial], known: dict[str, dict[str, Any]]) -> list[str]:
    lost = [
        ", ".join(f"{key}: {value}" for key, value in trial.settings.items())
        for trial in trials
        if known[trial.config.model_dump_json()].get("diverged")
    ]
    count = f"{len(lost)} of {len(trials)} candidates"
    return [f"{stage.tags['recommender']}: {count} diverged ({'; '.join(lost)})."] if lost else []


def _listed(trial: Trial, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"settings": trial.settings, **known[trial.config.model_dump_json()]}


def _short(config: Config) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found
