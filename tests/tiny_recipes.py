"""Whole recipes that run in seconds: drawn garments of 32 pixels, a network of a few layers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

SMALL: dict[str, Any] = {
    "experiment": {
        "dataset": "tiny",
        "top_k": 10,
        "evaluation": {"cutoffs": [5, 10], "simple_metrics": ["nDCG", "HR"]},
        "models": {"external.ContentKNN": {"neighbors": 5}},
        "adversarial": {
            "catalog": {"source": "synthetic", "items": 40, "users": 12, "size": 32},
            "extractor": {"backbone": "test_efficientnet", "training": {"epochs": 2, "batch_size": 8}},
            "threats": [{"preset": "item_to_item", "pairs": 5, "rank_min": [1, 3]}],
            "attacks": [{"preset": "fgsm", "eps": 0.05}],
            "device": "cpu",
            "batch_size": 2,
            "workers": 0,
        },
    }
}
DEFENSES = [
    "none",
    {"preset": "at", "steps": 2, "training": {"epochs": 1}},
    {"preset": "cat", "steps": 2, "training": {"epochs": 2}},
]
ATTACKS = [
    {"preset": "fgsm", "eps": [0.01, 0.03]},
    {"preset": "pgd", "steps": 3, "eps": 0.05},
    {"preset": "cw", "steps": 6, "eps": 0.05, "pairs": 4},
]


def small(**adversarial: Any) -> dict[str, Any]:
    """A fresh copy of ``SMALL`` with some keys of ``adversarial`` replaced; None takes a key out."""
    recipe = copy.deepcopy(SMALL)
    section = recipe["experiment"]["adversarial"]
    for key, value in adversarial.items():
        if value is None:
            del section[key]
        else:
            section[key] = value
    return recipe


def matrix() -> dict[str, Any]:
    """None, AT and CAT against FGSM at two budgets, PGD and CW, with a recommender that sees no images."""
    recipe = small(defenses=DEFENSES, attacks=ATTACKS)
    recipe["experiment"]["models"]["external.MostPop"] = {}
    return recipe


def save(recipe: dict[str, Any], path: Path) -> Path:
    """The recipe as a YAML file."""
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")
    return path
