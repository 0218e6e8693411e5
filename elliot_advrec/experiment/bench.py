"""One batch of an attack: attacked, rounded, handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elliot_advrec.attacks import Attack, Budget
from elliot_advrec.attacks.detection import RepeatedQueries
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.experiment.handing_in import Shop
from elliot_advrec.experiment.knowing import Known
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.staging import scene
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.extractors.frozen import FrozenExtractor
from elliot_advrec.metrics import perceptual
from elliot_advrec.metrics.lpips import lpips
from elliot_advrec.threats import Scene, Targets, Threat

NEIGHBOURS = 10  # of an upload, whose mean distance decides about an alarm
RESUBMITTED = "resubmitted"
"""What the best of several tries is called: ``NAME_after_resubmitted``."""
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Bench:
    """What every batch of one attack stage shares: the attack differentiates one view, the shop judges."""

    attacked: FrozenExtractor
    shop: Shop
    pixels: PixelFile
    ids: list[str]
    scene: Scene
    threat: Threat
    attack: Attack
    budget: Budget
    device: torch.device
    alarm: float | None = None
    """Distance of uploads that raises an alarm; None: the attack uploads nothing on its way."""
    lpips: torch.nn.Module | None = None
    """Network of the learned perceptual distance; None: it is not measured."""

    @classmethod
    def of(cls, workspace: Workspace, stage: Stage) -> Bench:
        """That of an attack stage."""
        parts, place = stage.parts, scene(workspace, stage)
        extractor = stage.needs["extractor"]
        return cls(
            workspace.frozen(extractor, stage.settings.get("precision", "float32")),
            workspace.shop(stage),
            workspace.pixels(extractor.needs["catalog"]),
            workspace.catalog(extractor.needs["catalog"]).ids,
            place,
            parts["threat"],
            parts["attack"],
            parts["budget"],
            workspace.device,
            _alarm(parts["attack"], place),
            workspace.lpips(parts["lpips"]),
        )


def attack_batch(bench: Bench, targets: Targets, known: Known) -> Batch:
    """One batch of pairs: attacked, rounded to 8 bits, handed in both ways.

    Returns:
        Per-pair arrays: what ``handed_in`` gives, what the attack spent, and the 8-bit ``image``
        (n, 3, S, S) itself.
    """
    clean = bench.pixels.floats(targets.attack).to(bench.device)
    loss = bench.threat.loss(bench.scene, bench.attacked, targets)
    # An attack on values uploads pictures, and a shop may look at what one account uploads.
    watch = None if bench.alarm is None else RepeatedQueries(len(targets), bench.alarm)
    found = known.attack(bench.attack, loss, clean, bench.budget, watch)
    radius = bench.budget.eps if bench.budget.norm == "linf" else None
    rounded = perceptual.round_to_8_bits(found.images, clean, radius)
    seen = {} if watch is None else {"queries_until_detected": _numpy(watch.queries_until_detected())}
    return {
        **seen,
        **handed_in(bench, targets, clean, found.images, rounded, loss.main),
        "loss": _numpy(found.loss),
        "gradient_evaluations": _numpy(found.gradient_evaluations),
        "queries": _numpy(found.queries),
        "image_updates": _numpy(found.image_updates),
        "image": _numpy((rounded * 255).round().to(torch.uint8)),
    }


def handed_in(
    bench: Bench,
    targets: Targets,
    clean: Tensor,
    exact: Tensor,
    rounded: Tensor,
    value: Callable[[Tensor, Tensor], Tensor],
) -> Batch:
    """What becomes of attacked pictures in the shop.

    Args:
        clean: (n, 3, S, S) untouched pictures.
        exact: the attacked ones.
        rounded: those as 8-bit files hold them.
        value: of the attacker's loss, by which the best of several tries is chosen.

    Returns:
        Per-pair arrays: ``embedding`` of the picture as the attack left it, ``embedding_8bit`` of the one in
        8 bits (of the picture that the item had, where the new one was refused) and the sizes of its
        perturbation; where there are several tries also ``embedding_resubmitted`` of the best, and where
        there is a detector ``flagged_...`` and ``suspicion_...``, its scores.
    """
    shop, names = bench.shop, items(bench, targets)
    kept = torch.as_tensor(bench.scene.embeddings)[torch.as_tensor(targets.attack)]
    kept = kept.to(bench.device)
    moments = {"after_8bit": shop.receive(rounded, names, kept)}
    moments["after"] = moments["after_8bit"] if exact is rounded else shop.receive(exact, names, kept)
    found = {
        "embedding": _numpy(moments["after"].embedding),
        "embedding_8bit": _numpy(moments["after_8bit"].embedding),
        **{name: _numpy(values) for name, values in perceptual.measure(clean, rounded).items()},
    }
    if bench.lpips is not None:
        found["lpips"] = _numpy(lpips(bench.lpips, clean, rounded))
    if shop.tries > 1:
        again = shop.resubmit(clean, rounded, names, kept, value, moments["after_8bit"])
        found[f"embedding_{RESUBMITTED}"] = _numpy(again.embedding)
        moments[f"after_{RESUBMITTED}"] = again
    untouched = shop.suspicion(clean, names)
    if untouched is not None:
        found["suspicion_before"] = _numpy(untouched)
    for moment, received in moments.items():
        if received.flagged is not None and received.suspicion is not None:
            found[f"flagged_{moment}"] = _numpy(received.flagged)
            found[f"suspicion_{moment}"] = _numpy(received.suspicion)
    return found


def items(bench: Bench, targets: Targets) -> list[str]:
    """Ids of the attacked items."""
    return [bench.ids[row] for row in targets.attack]


def _alarm(attack: Attack, place: Scene) -> float | None:
    if attack.needs == "gradient" or len(place) <= NEIGHBOURS:
        return None
    return RepeatedQueries.calibrate(torch.as_tensor(place.embeddings), neighbours=NEIGHBOURS)


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
