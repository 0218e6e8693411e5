"""The stage that fits a recommender again, with the attacked pictures in its catalog."""

from __future__ import annotations

from pathlib import Path

from elliot_advrec.experiment.attacking import judged
from elliot_advrec.experiment.bench import RESUBMITTED
from elliot_advrec.experiment.counting import attack_rows
from elliot_advrec.experiment.exposing import exposure_rows
from elliot_advrec.experiment.fitting import fit
from elliot_advrec.experiment.ranking import chosen_settings, ranked
from elliot_advrec.experiment.stages import Outcome, Stage
from elliot_advrec.experiment.staging import scene, targets_of
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.progress import Progress
from elliot_advrec.threats import Threat


def make_retrain(workspace: Workspace, stage: Stage, folder: Path, progress: Progress) -> Outcome:
    """Fit the recommender on the features of the attacked pictures, rank, and judge the threat on it."""
    fitted, attack = stage.needs["recommender"], stage.needs["attack"]
    attacked = workspace.arrays(attack, "pairs.npz")
    seen = workspace.embeddings(fitted.needs["embeddings"]).copy()
    seen[attacked["attack_row"]] = attacked["embedding_8bit"]
    interactions = fitted.needs["interactions"]
    recommender = fit(
        workspace,
        fitted,
        interactions,
        None,
        chosen_settings(workspace, fitted),
        folder / "training",
        progress,
        instead=seen,
    )
    recommender.save(folder / "recommender")
    rows = ranked(workspace, stage, recommender, workspace.interactions(interactions), folder, progress)
    rows += exposure_rows(workspace, stage, recommender, workspace.interactions(interactions))
    threat: Threat = stage.parts["threat"]
    if threat.on_recommender:
        place, targets = scene(workspace, attack, recommender), targets_of(attacked)
        after = judged(threat, place, targets, attacked["embedding_8bit"], attacked["embedding_8bit"])
        # Before the attack the recommender was another one.
        before = {name: attacked[name] for name in after if name.endswith("_before")}
        # Which of several tries is best was decided, and judged, by the recommender as it was fitted.
        once = {name: values for name, values in attacked.items() if not name.endswith(f"_{RESUBMITTED}")}
        rows += attack_rows(threat, {**once, **after, **before})
    return Outcome(rows=rows)
