"""How much of the lists the items take up that a threat is about (CHR@k), untouched and attacked."""

from __future__ import annotations

from typing import Any

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.experiment.stages import Stage, row
from elliot_advrec.experiment.staging import scene
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.metrics.exposure import category_hits
from elliot_advrec.metrics.measured import PerUser
from elliot_advrec.metrics.significance import wilcoxon
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats.rows import mean_row


def exposure_rows(
    workspace: Workspace, stage: Stage, recommender: Recommender, interactions: Interactions
) -> list[dict[str, Any]]:
    """CHR rows of a stage that ranks the attacked catalog; none where the threat names no items.

    The untouched catalog is ranked once for all attacks of a threat.

    Args:
        stage: needs ``recommender`` (the untouched one) and ``attack``.
        recommender: over the attacked catalog.
    """
    exposed = stage.parts["threat"].exposed(scene(workspace, stage.needs["attack"]))
    if exposed is None:
        return []
    fitted, cutoffs = stage.needs["recommender"], stage.parts["evaluation"].cutoffs
    known_only = stage.parts["known_only"]

    def hits(of: Recommender) -> dict[tuple[str, int], PerUser]:
        return category_hits(of, interactions, exposed, cutoffs, known_only=known_only)

    untouched = workspace.numbers("exposure", fitted)
    asked = exposed.tobytes(), tuple(cutoffs), known_only
    if asked not in untouched:
        untouched[asked] = hits(workspace.recommender(fitted))
    before, after = untouched[asked], hits(recommender)
    found: list[dict[str, Any]] = []
    for key, moved in after.items():
        metric, k = key
        still = before[key].values
        found += [
            mean_row(metric, moved.values, k=k),
            mean_row(f"{metric}_clean", still, k=k),
            row(f"{metric}_p_value", wilcoxon(moved.values, still).p, k=k, n=len(still)),
        ]
    return found
