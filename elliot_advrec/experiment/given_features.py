"""Features that a recipe of Elliot's own brings with it, in the place of an extractor's."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from elliot_advrec.data.features import FeatureFile, open_features, read_matrix
from elliot_advrec.data.folds import Treatment
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import sha256
from elliot_advrec.recipe import Experiment


def visual_features(path: Path) -> FeatureFile:
    """Features by item id; of a folder ids are the numbers that files are called by, as Elliot has it.

    Raises:
        UserError: nothing there, or in no form that is known.
    """
    return open_features(path, numbered=path.is_dir())


def treatment(experiment: Experiment) -> Treatment:
    """What is done to rows; where there are features, rows of items without them are not read, as in Elliot.

    Raises:
        UserError: features that cannot be read.
    """
    path = None if experiment.data_config is None else experiment.data_config.features
    if path is None:
        return experiment.treatment
    return replace(experiment.treatment, items=list(visual_features(path).ids))


def features_digest(path: Path) -> str:
    """Changes when the features do: a file's content; names, sizes and times of a folder's many files."""
    if path.is_file():
        return sha256(path)
    listed = sorted((each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in os.scandir(path))
    return hashlib.sha256(repr(listed).encode()).hexdigest()


def make_given(workspace: Workspace, stage: Stage, folder: Path) -> Outcome:
    """Write the features of the catalog's items, a row each.

    Raises:
        UserError: features that are not finite, or cannot be read.
    """
    ids = workspace.catalog(stage.needs["catalog"]).ids
    found = read_matrix(
        visual_features(stage.parts["features"]), ids, strict=True, into=folder / "embeddings.npy"
    )
    assert np.array_equal(found.rows, np.arange(len(ids)))
    return Outcome(notes=[note for note in found.notes if "lacks" not in note])
