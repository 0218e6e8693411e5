"""The scene that a threat looks at, from the artefacts of finished stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats import Scene, Targets


def scene(workspace: Workspace, stage: Stage, instead: Recommender | None = None) -> Scene:
    """What the threat of an attack stage may look at; embeddings on the run's device.

    Args:
        stage: needs an ``extractor``, its ``embeddings``, and a ``recommender`` where the threat aims at one.
        instead: a recommender in place of that one.
    """
    extractor = stage.needs["extractor"]
    catalog = extractor.needs["catalog"]
    pixels, device = workspace.pixels(catalog), workspace.device
    recommender = stage.needs.get("recommender")
    interactions = stage.needs.get("interactions")
    fitted = instead
    if recommender is not None:
        interactions = recommender.needs["interactions"]
        fitted = fitted or workspace.recommender(recommender)

    def clean(rows: np.ndarray) -> Tensor:
        return pixels.floats(rows).to(device)

    return Scene(
        embeddings=torch.from_numpy(workspace.embeddings(stage.needs["embeddings"])).to(device),
        catalog=workspace.catalog(catalog),
        classify=workspace.frozen(extractor).network.classify,
        pixels=clean,
        recommender=fitted,
        interactions=None if interactions is None else workspace.interactions(interactions),
    )


@contextmanager
def blamed(stage: Stage) -> Iterator[None]:
    """What a stage's threat refuses is said of its entry in the recipe."""
    try:
        yield
    except UserError as error:
        raise error.at(stage.parts["where"]) from error


def rows_of(targets: Targets) -> dict[str, np.ndarray]:
    """The attacked pairs as arrays, which ``targets_of`` reads back."""
    found = {"attack_row": targets.attack, "target_row": targets.target}
    return found if targets.raised is None else {**found, "raised": targets.raised}


def targets_of(pairs: Mapping[str, np.ndarray]) -> Targets:
    """The attacked pairs, as an attack stage kept them."""
    return Targets(pairs["attack_row"], pairs["target_row"], pairs.get("raised"))
