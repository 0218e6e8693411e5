"""Tiny recipes with filters and detectors, run once, and what their stages left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_recipes import save, small

from elliot_advrec.experiment.plan import Plan, make_plan
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.experiment.workspace import Workspace
from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

VBPR = {"epochs": 3, "batch_size": 32, "factors": 4, "factors_d": 4}
NETWORK = {"preset": "reconstruction", "width": 4, "blocks": 1, "heads": 2, "tokens": 4}
CONTRASTIVE = {"preset": "contrastive", "encoder": "test_efficientnet", "projection": 8, "threshold": None}
STAGES = [{"epochs": 1, "lr": 1e-3}, {"epochs": 1, "lr": 1e-3, "learns": ["detector"]}]
TRAINING = {"stages": STAGES, "pgd_steps": 1, "perceptual_stages": [1, 2], "batch_size": 8}
LEARNED = {"filter": NETWORK, "detector": {**CONTRASTIVE, "fpr": 0.3}, "filter_training": TRAINING}
SQUEEZED = {"preset": "squeezing", "fpr": 0.3}
CLOSED = {"preset": "squeezing", "threshold": -1.0}
"""Flags every picture."""


def guarded(*defenses: Any, **adversarial: Any) -> dict[str, Any]:
    """A recipe with these defenses, and with recommenders that see and one that does not."""
    recipe = small(defenses=list(defenses), **adversarial)
    recipe["experiment"]["models"] |= {"external.VBPR": VBPR, "MostPop": {}}
    held = {"strategy": "random_subsampling", "leave_n_out": 1}
    recipe["experiment"]["splitting"] = {"test_splitting": held}
    return recipe


@dataclass
class Ran:
    """A finished run."""

    folder: Path
    results: dict[str, Any]
    plan: Plan
    workspace: Workspace

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        """The result rows with these columns."""
        return [r for r in self.results["rows"] if all(r[key] == value for key, value in where.items())]

    def value(self, **where: Any) -> float:
        """Of the one row with these columns."""
        [found] = self.rows(**where)
        return float(found["value"])

    def stages(self, kind: str, **tags: Any) -> list[Stage]:
        """The stages of this kind with these tags; a tag that is None is absent."""
        return [
            stage
            for stage in self.plan.stages
            if stage.kind == kind and all(stage.tags.get(key) == value for key, value in tags.items())
        ]

    def stage(self, kind: str, **tags: Any) -> Stage:
        """The one stage of this kind with these tags."""
        [found] = self.stages(kind, **tags)
        return found

    def pairs(self, **tags: Any) -> dict[str, np.ndarray]:
        """What an attack left of each pair."""
        return self.workspace.arrays(self.stage("attack", **tags), "pairs.npz")

    def pictures(self, **tags: Any) -> np.ndarray:
        """The first attacked pictures of an attack, 8 bits."""
        return self.workspace.arrays(self.stage("attack", **tags), "images.npz")["image"]


def run(recipe: dict[str, Any], folder: Path, store: Path | None = None) -> Ran:
    """Run a recipe in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    loaded = load(save(recipe, folder / "recipe.yml"))
    store = store or folder / "store"
    results = embedded.run(loaded, folder / "out", store=store)
    return Ran(
        folder, results, make_plan(loaded, "cpu"), Workspace(Store(store), torch.device("cpu"), workers=0)
    )
