"""The stage that tries a threat on a handful of pairs, to see whether its gradients can be believed.

Defenses that hide their gradients look robust to gradient attacks; the signs are known (Athalye, Carlini &
Wagner 2018; Carlini et al. 2019), and these probes look for the cheap ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from elliot_advrec.attacks import Budget, EmbeddingLoss, Problem
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.experiment.knowing import Known
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.staging import blamed, rows_of, scene
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.files import write_arrays
from elliot_advrec.progress import Progress
from elliot_advrec.seeding import stream_seed
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Threat

PAIRS = 8
SHORT = PGD(PGDConfig(steps=4, random_start=True))
LONG = PGD(PGDConfig(steps=32, step_rule="cosine", first_step=0.1, random_start=False))
SMALL, UNBOUNDED = Budget("linf", 0.02), Budget("linf", 1.0)
GRADIENTS = 32 + 2 * 4 + 1
"""Of each pair, at most."""


def probed(threat: Threat) -> int:
    """How many pairs are tried, at most: whole groups of those that are judged as one."""
    return -(-PAIRS // threat.together) * threat.together


def make_probe(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """What ``sanity`` looks at: attacks without budget and without bounds, gradients, batches of one."""
    threat: Threat = stage.parts["threat"]
    extractor = stage.needs["extractor"]
    view = workspace.frozen(extractor, stage.settings["precision"])
    place = scene(workspace, stage)
    with blamed(stage):
        targets = threat.draw(place, stage.parts["seed"]).first(probed(threat))
    count = len(targets)
    assert place.pixels is not None
    clean = place.pixels(targets.attack)
    ids = workspace.catalog(extractor.needs["catalog"]).ids
    named = zip((ids[row] for row in targets.attack), threat.names(place, targets), strict=True)
    seeds = [stream_seed(stage.settings["seed"], "probe", a, t) for a, t in named]

    shop, draws = workspace.shop(stage), stage.parts.get("draws", 1)

    def attack(tried: PGD, budget: Budget, rows: slice) -> tuple[Tensor, Tensor]:
        some = targets.slice(rows.start, rows.stop)
        with blamed(stage):
            loss = threat.loss(place, view, some)
        known = Known(shop.guard, seeds[rows], draws)
        found = known.attack(tried, loss, clean[rows], budget)
        return found.images, found.loss

    whole = slice(0, count)
    untouched, _ = attack(SHORT, Budget("linf", 0.0), whole)
    found: dict[str, object] = {
        "pairs": count,
        "eps 0": bool(torch.equal(untouched, clean)),
        "white_box": threat.white_box,
    }
    if not threat.white_box:
        return Outcome(extra={"probe": found})
    with progress.track(stage.label, 3):
        _, together = attack(SHORT, SMALL, whole)
        alone = torch.cat([attack(SHORT, SMALL, slice(row, row + 1))[1] for row in range(count)])
        images, _ = attack(LONG, UNBOUNDED, whole)
        reached = shop.embed(images, [ids[row] for row in targets.attack]).cpu().numpy()
    # What was reached without bounds is kept by pair: by which rule it counts is decided later.
    write_arrays(folder / "pairs.npz", {**threat.judge(place, targets, reached), **rows_of(targets)})
    found |= {
        "zero gradients": _zero_share(
            Known(shop.guard, seeds, draws).through(threat.loss(place, view, targets)), clean, seeds
        ),
        "batch difference": float((together - alone).abs().max()),
        "loss": float(together.abs().max()),
    }
    return Outcome(extra={"probe": found}, gradients=count * GRADIENTS * draws)


def _zero_share(loss: EmbeddingLoss, clean: Tensor, seeds: list[int]) -> float:
    """Share of pixel gradients that are exactly 0, over pictures that are moved off their clean point."""
    problem = Problem(loss, clean, SMALL, Streams(seeds))
    # At the clean picture itself some losses are flat by definition.
    _, gradient = problem.gradient(problem.random_start(), offer=False)
    return float((gradient == 0).float().mean())
