"""The smallest recipe that has every kind of stage, and what its undisturbed run gives."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults.command import finished
from benchmarks.faults.trial import Wrong

NETWORK = {"preset": "reconstruction", "width": 4, "blocks": 1, "heads": 2, "tokens": 4}
CONTRASTIVE = {"preset": "contrastive", "encoder": "test_efficientnet", "projection": 8, "threshold": None}
STAGES = [{"epochs": 1, "lr": 1e-3}, {"epochs": 1, "lr": 1e-3, "learns": ["detector"]}]
LEARNED = {
    "name": "learned",
    "filter": NETWORK,
    "detector": {**CONTRASTIVE, "fpr": 0.3},
    "filter_training": {"stages": STAGES, "pgd_steps": 1, "perceptual_stages": [1, 2], "batch_size": 8},
    "tries": 2,
    "knowledge": ["oblivious", "evading"],
    "evasion": [1.0],
}
VBPR = {"epochs": 2, "batch_size": 32, "factors": 4, "factors_d": 4}
HELD = {"strategy": "random_subsampling", "leave_n_out": 1}
SMALLEST: dict[str, Any] = {
    "experiment": {
        "dataset": "smallest",
        "top_k": 10,
        "evaluation": {"cutoffs": [5], "simple_metrics": ["nDCG"]},
        "splitting": {"test_splitting": HELD, "validation_splitting": HELD},
        "models": {
            "external.VBPR": VBPR,
            "ItemKNN": {"neighbors": [3, 5], "similarity": "cosine", "meta": {"hyper_opt_alg": "grid"}},
        },
        "adversarial": {
            "catalog": {"source": "synthetic", "items": 40, "users": 12, "size": 32},
            "extractor": {"backbone": "test_efficientnet", "training": {"epochs": 2, "batch_size": 8}},
            "defenses": ["none", LEARNED],
            "threats": [
                {"preset": "item_to_item", "pairs": 4, "rank_min": [3]},
                {
                    "preset": "promotion",
                    "regimes": ["fixed", "poisoned"],
                    "recommenders": ["VBPR"],
                    "pairs": 2,
                },
            ],
            "attacks": [{"preset": "pgd", "steps": 2, "eps": 0.05}],
            "device": "cpu",
            "batch_size": 2,
            "workers": 0,
        },
    }
}


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing befell.

    Attributes:
        arguments: of the command, less output and store.
        output: where it lies, with its store.
        rows: of its results.
        seconds: how long it took.
        limit: how long another may take before it hangs.
    """

    arguments: list[str]
    output: Path
    rows: list[dict[str, Any]]
    seconds: float

    @property
    def limit(self) -> float:
        return 60 + 10 * self.seconds

    def same(self, output: Path) -> None:
        """Raise ``Wrong`` unless a run to ``output`` has the same rows, and left nothing half done."""
        if rows(output) != self.rows:
            raise Wrong(f"other rows in {output}")
        left = [path for path in output.rglob("*") if path.name.endswith((".partial", ".tmp"))]
        if left:
            raise Wrong(f"{left[0]} was left behind")


def undisturbed(folder: Path, recipe: str | None) -> Undisturbed:
    """Run ``recipe``, or the smallest one where it is None."""
    if recipe is None:
        path = folder / "smallest.yml"
        path.write_text(yaml.safe_dump(SMALLEST, sort_keys=False), "utf-8")
        recipe = str(path)
    arguments, output = ["run", recipe, "-q", "--host", "embedded"], folder / "undisturbed"
    begun = time.monotonic()
    finished([*arguments, "-o", str(output)], folder / "undisturbed.txt", 24 * 3_600)
    return Undisturbed(arguments, output, rows(output), time.monotonic() - begun)


def rows(output: Path) -> list[dict[str, Any]]:
    """Of a finished run."""
    found: list[dict[str, Any]] = json.loads((output / "results.json").read_text("utf-8"))["rows"]
    return found
