"""Stages that read: the catalog with its pixels or the interactions' own items, and the interactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.folds import items_of, split_rows
from elliot_advrec.data.matrices import build_folds
from elliot_advrec.data.pixels import prepare
from elliot_advrec.data.taste import simulate, usual_users
from elliot_advrec.experiment.given_features import features_digest, treatment
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.suiting import check_catalog
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import sha256
from elliot_advrec.progress import Progress
from elliot_advrec.recipe import Recipe

LISTED = 5  # bad images named in a note; all of them are in pixels.json


def interaction_settings(recipe: Recipe) -> dict[str, Any]:
    """All of the recipe that decides the interactions, with the digests of the files it names."""
    experiment = recipe.experiment
    given, negatives = experiment.data_config, experiment.negative_sampling
    files = [
        *(given.files() if given is not None else []),
        *(negatives.files if negatives is not None else []),
    ]
    features = None if given is None else given.features
    return {
        "features": None if features is None else features_digest(features),
        "data_config": None if given is None else given.model_dump(mode="json"),
        "simulation": recipe.adversarial.simulation.model_dump(mode="json"),
        "files": {str(path): sha256(path) for path in files},
        "prefiltering": [one.model_dump(mode="json") for one in experiment.prefiltering],
        "binarize": experiment.binarize,
        "splitting": experiment.splitting.model_dump(mode="json"),
        "negative_sampling": None if negatives is None else negatives.model_dump(mode="json"),
        "random_seed": experiment.random_seed,
        "strict": recipe.adversarial.strict,
    }


def make_catalog(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Decode every picture once to the pixel file; bad ones are listed and dropped, or refused if strict."""
    if stage.parts["source"] is None:
        return _make_items(stage, folder)
    catalog, _, skipped = prepare(
        stage.parts["source"].catalog(),
        stage.parts["size"],
        folder,
        strict=stage.parts["strict"],
        workers=workspace.workers,
        progress=progress,
    )
    check_catalog(stage.parts["recipe"], catalog)  # again, for pictures that were dropped
    notes = list(catalog.notes)
    if skipped:
        named = "; ".join(f"{bad.path} ({bad.reason})" for bad in skipped[:LISTED])
        more = f"; and {len(skipped) - LISTED} more in pixels.json" if len(skipped) > LISTED else ""
        notes.append(f"pictures that were skipped: {named}{more}")
    return Outcome(notes=notes, extra={"items": len(catalog.ids)})


def _make_items(stage: Stage, folder: Path) -> Outcome:
    """The items of the interactions as the catalog, in the order in which Elliot numbers those of a fold."""
    experiment, (test, validation) = stage.parts["experiment"], stage.parts["fold"]
    fixed = experiment.data_config.fixed()
    folds = split_rows(
        None if fixed is not None else experiment.data_config.dataset_path,
        None,
        fixed or experiment.splitting,
        treatment(experiment),
        seed=experiment.random_seed,
        notes=[],  # those of the interactions' own stage
    )
    ids = items_of(folds[test][validation])
    unlabelled = np.full(len(ids), -1, np.int64)
    Catalog(ids, unlabelled, [], None, [], np.full(len(ids), "train"), []).save(folder)
    return Outcome(extra={"items": len(ids)})


def make_interactions(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Read the interactions of the recipe or the source, or simulate them from visual taste; split them."""
    catalog = workspace.catalog(stage.needs["catalog"])
    experiment, source = stage.parts["experiment"], stage.parts["source"]
    test, validation = stage.parts["fold"]
    given = experiment.data_config
    fixed = None if given is None else given.fixed()
    frame: pd.DataFrame | Path | None = None
    if given is None:
        frame = source.interactions(catalog)
        if frame is None:
            progress.say("no interactions are given: simulating users with visual taste")
            pixels = workspace.pixels(stage.needs["catalog"])
            settings, seed = stage.parts["simulation"].model_dump(), experiment.random_seed
            users = settings["users"] or usual_users(len(catalog.ids))
            with progress.track("simulating users", users) as advance:
                frame = simulate(catalog, seed=seed, pixels=pixels, advance=advance, **settings)
    elif fixed is None:
        frame = given.dataset_path
    simulated = isinstance(frame, pd.DataFrame) and bool(frame.attrs.get("simulated"))
    built = build_folds(
        frame,
        catalog,
        fixed or experiment.splitting,
        seed=experiment.random_seed,
        simulated=simulated,
        strict=stage.parts["strict"],
        treatment=treatment(experiment),
        own_items=source is None,
    )[test][validation]
    built.save(folder)
    notes = list(built.notes)
    if simulated:
        notes.insert(0, "The interactions are simulated from visual taste: no real user made them.")
    return Outcome(notes=notes, extra={"users": len(built.users)})
