"""Recipes that keep every rule, drawn at random from what is registered."""

from __future__ import annotations

import random
from typing import Any

MODELS: dict[str, dict[str, list[Any]]] = {
    "external.ContentKNN": {"neighbors": [1, 5, 50]},
    "external.MostPop": {},
    "external.Random": {},
    "external.BPRMF": {"epochs": [1, 3], "factors": [4], "batch_size": [16]},
    "external.VBPR": {"epochs": [1, 3], "factors": [4], "factors_d": [4], "batch_size": [16]},
    "external.AMR": {"epochs": [2], "factors": [4], "factors_d": [4], "batch_size": [16]},
    "ItemKNN": {"neighbors": [5, 10], "similarity": ["cosine", "jaccard", "euclidean"]},
}
ATTACKS: dict[str, dict[str, list[Any]]] = {
    "fgsm": {"keep": ["best", "last"]},
    "pgd": {"steps": [1, 3], "step_rule": ["constant", "cosine"], "restarts": [1, 2]},
    "bim": {"steps": [2]},
    "mi_fgsm": {"steps": [2]},
    "pgd_cosine": {"steps": [4]},
    "cw": {"steps": [3], "pairs": [3]},
}
DEFENSES: tuple[Any, ...] = (
    {"preset": "at", "steps": 2, "training": {"epochs": 1}},
    {"preset": "cat", "steps": 2, "training": {"epochs": 2}},
    {"name": "jpeg", "filter": {"preset": "jpeg", "quality": 60}},
    {"name": "bits", "filter": "bit_depth", "tries": 2},
    {"name": "squeezed", "filter": "feature_squeezing", "detector": {"preset": "squeezing", "fpr": 0.3}},
    {"name": "smooth", "filter": "median", "knowledge": ["oblivious"]},
    {"name": "padded", "filter": "resize_pad", "draws": 2, "tries": 1},
)
THREATS: tuple[Any, ...] = (
    {"preset": "item_to_item", "pairs": 4, "rank_min": [1, 3]},
    {"preset": "item_to_item", "pairs": 3},
)


def valid(chance: random.Random) -> dict[str, Any]:
    """A recipe of seconds: 40 drawn garments of 32 pixels, a network of a few layers."""
    models = {name: _drawn(MODELS[name], chance) for name in _some(list(MODELS), chance, 3)}
    models.setdefault("external.ContentKNN", {"neighbors": 5})  # what an attack on the extractor is judged by
    attacks = [
        {"preset": name, "eps": chance.choice([0.03, [0.01, 0.05], "8/255", ["2/255", 0.1]])}
        | _drawn(ATTACKS[name], chance)
        for name in _some(list(ATTACKS), chance, 2)
    ]
    section = {
        "catalog": {"source": "synthetic", "items": chance.choice([40, 60]), "users": 12, "size": 32},
        "extractor": {"backbone": "test_efficientnet", "training": {"epochs": 1, "batch_size": 8}},
        "defenses": ["none", *chance.sample(DEFENSES, chance.randint(0, 2))],
        "threats": [chance.choice(THREATS)],
        "attacks": attacks,
        "device": "cpu",
        "batch_size": chance.choice([1, 2, 8]),
        "workers": 0,
        "seeds": chance.choice([[1], [1, 2], [0]]),
    }
    return {
        "experiment": {
            "dataset": chance.choice(["tiny", "名前", "a b"]),
            "top_k": 10,
            "evaluation": {
                "cutoffs": [5, 10],
                "simple_metrics": _some(["nDCG", "HR", "Recall", "MRR"], chance, 2),
            },
            "splitting": {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}},
            "models": models,
            "adversarial": section,
        }
    }


def parts(chance: random.Random) -> list[str]:
    """Names of parts, in any order."""
    names = [*MODELS, *ATTACKS]
    chance.shuffle(names)
    return names


def _some(names: list[str], chance: random.Random, most: int) -> list[str]:
    return chance.sample(names, chance.randint(1, most))


def _drawn(settings: dict[str, list[Any]], chance: random.Random) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in settings.items() if chance.random() < 0.8}
