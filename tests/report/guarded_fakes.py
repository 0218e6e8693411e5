"""A made-up run with filters and detectors: every kind of row that such a run writes, every number drawn."""

from __future__ import annotations

from typing import Any

import fakes
import numpy as np

KNOWLEDGE = ("oblivious", "adaptive", "evading")
EPS = (8 / 255, 16 / 255)
ATTACKS = (("fgsm", 1), ("pgd", 16))
OVER = {"squeeze": "at", "resize_pad": "none", "reconstruct": "none"}
PAIRS, CLEAN = 50, 40


def recipe() -> dict[str, Any]:
    """Resolved, as far as the report looks at it."""
    parts = {
        "squeeze": {"filter": {"type": "jpeg"}, "detector": {"type": "squeezing"}},
        "resize_pad": {"filter": {"type": "resize_pad"}},
        "reconstruct": {"filter": {"type": "reconstruction"}, "detector": {"type": "contrastive"}},
    }
    guards = [
        {"name": name, **parts[name], "over": over, "tries": 10, "refuse": True}
        for name, over in OVER.items()
    ]
    threats = [{"type": "item_to_item", "name": "item_to_item"}, {"type": "promotion", "name": "promotion"}]
    return {
        "experiment": {
            "dataset": "guarded",
            "adversarial": {
                "catalog": {"type": "synthetic"},
                "defenses": ["none", {"type": "adversarial_training", "name": "at"}, *guards],
                "threats": threats,
                "attacks": [{"type": "fgsm"}, {"type": "pgd"}],
            },
        }
    }


def rows(seed: int = 1) -> list[dict[str, Any]]:
    """Rates of two attacks at two eps on two undefended or trained and three guarded systems."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for name in ("none", "at", *OVER):
        for recommender in ("ContentKNN", "VBPR"):
            made += [
                fakes.row(
                    "HR", float(rng.random()), k=20, n=100, defense=name, recommender=recommender, seed=seed
                )
            ]
        if "detector" in next((d for d in _defenses() if d["name"] == name), {}):
            at = {"defense": name, "seed": seed}
            made.append(fakes.row("detection_threshold", 0.25, **at))
            made.append(fakes.row("flagged_clean", 4 / CLEAN, n=CLEAN, **at))
        for threat in ("item_to_item", "promotion"):
            for attack, steps in ATTACKS:
                for eps in EPS:
                    for knowledge in _knowledge(name):
                        made += _cell(rng, name, threat, attack, steps, eps, knowledge, seed)
    return made


def _defenses() -> list[dict[str, Any]]:
    return recipe()["experiment"]["adversarial"]["defenses"][1:]


def _knowledge(name: str) -> tuple[str | None, ...]:
    if name not in OVER:
        return (None,)
    return KNOWLEDGE[:2] if name == "resize_pad" else KNOWLEDGE


def _cell(rng, name, threat, attack, steps, eps, knowledge, seed) -> list[dict[str, Any]]:
    columns = {
        "defense": name,
        "threat": threat,
        "attack": attack if knowledge is None else f"{attack} ({knowledge})",
        "knowledge": knowledge,
        "steps": steps,
        "eps": eps,
        "norm": "linf",
        "seed": seed,
        "n": PAIRS,
    }
    rules = [{"rank_min": 3}] if threat == "item_to_item" else [{"k": 10}, {"k": 20}]
    made = []

    def share() -> float:
        return int(rng.integers(PAIRS + 1)) / PAIRS

    for rule in rules:
        made.append(("success_rate", share(), rule))
        made.append(("success_rate_8bit", share(), rule))
        made.append(("success_rate_clean", 1 / PAIRS, rule))
        if knowledge is not None:
            made.append(("success_rate_resubmitted", share(), rule))
        if threat == "promotion":
            hit = made[-2 if knowledge is None else -3][1]  # as success in 8 bits says
            made += [(metric, hit, rule) for metric in ("hit_rate", "hit_rate_8bit")]
            if knowledge is not None:
                made.append(("hit_rate_resubmitted", hit, rule))
    if knowledge is not None and name != "resize_pad":
        made += [(metric, share(), {}) for metric in ("flagged", "detection_tpr_at_1_fpr", "detection_tpr")]
        made.append(("detection_auroc", float(rng.random()), {}))
        right = made[-2][1] * PAIRS + 45  # 5 of the untouched ones are flagged
        made.append(("detection_accuracy", right / (2 * PAIRS), {"n": 2 * PAIRS}))
    owners = ("ContentKNN", "VBPR") if threat == "item_to_item" else ("VBPR",)
    return [
        fakes.row(metric, value, **{**columns, **rule, "recommender": owner})
        for owner in owners
        for metric, value, rule in made
    ]


def exhibits() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores of two detectors under PGD, and a map of each defense."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {"clean": rng.normal(0.2, 0.03, CLEAN).astype(np.float32)}
    index: dict[str, Any] = {"examples": [], "tsne": [], "distances": [], "suspicion": [], "shifts": []}
    for name in OVER:
        tags = {
            "defense": name,
            "threat": "item_to_item",
            "norm": "linf",
            "eps": EPS[1],
            "steps": 16,
            "seed": 1,
        }
        known = _knowledge(name)
        if name != "resize_pad":
            for knowledge in known:
                arrays[f"{name}_{knowledge}"] = rng.normal(0.3, 0.05, PAIRS).astype(np.float32)
                index["suspicion"].append(
                    {**tags, "attack": f"pgd ({knowledge})", "knowledge": knowledge, "clean": "clean",
                     "attacked": f"{name}_{knowledge}", "threshold": 0.25}
                )  # fmt: skip
        groups = ["clean", "filtered", *known]
        arrays[f"{name}_points"] = rng.standard_normal((20 * len(groups), 2)).astype(np.float32)
        arrays[f"{name}_labels"] = np.repeat(np.arange(len(groups)), 20)
        index["shifts"].append(
            {**tags, "attack": "pgd", "points": f"{name}_points", "labels": f"{name}_labels",
             "groups": groups, "refused": [0, 0, *(3 for _ in known)]}
        )  # fmt: skip
    return index, arrays


def experiment(*seeds: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """results.json and exhibits.npz."""
    index, arrays = exhibits()
    results = {
        "name": "Guarded",
        "recipe": recipe(),
        "seeds": list(seeds or (1,)),
        "rows": [row for seed in seeds or (1,) for row in rows(seed)],
        "exhibits": index,
    }
    return results, arrays
