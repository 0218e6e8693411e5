"""A generated experiment in the results format: three defenses, three attacks, several eps and steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

EPS = (0.01, 0.03, 0.05)
ATTACKS = (("fgsm", 1), ("pgd", 8), ("pgd", 64), ("cw", 1000))
STRENGTH = {("fgsm", 1): 0.02, ("pgd", 8): 0.55, ("pgd", 64): 0.95, ("cw", 1000): 0.98}
SHIELD = {"none": 1.0, "at": 0.03, "cat": 0.3}
RANKS = (1, 3, 10)


def row(metric: str, value: float | None, **rest: Any) -> dict[str, Any]:
    fields = [
        "recommender",
        "defense",
        "threat",
        "attack",
        "knowledge",
        "eps",
        "norm",
        "steps",
        "metric",
        "k",
        "rank_min",
        "value",
        "ci_low",
        "ci_high",
        "n",
        "seed",
    ]
    return {**dict.fromkeys(fields), **rest, "metric": metric, "value": value}


def rows_of(seed: int, pairs: int = 500) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    rng = np.random.default_rng(seed)
    for defense, shield in SHIELD.items():
        at = {"defense": defense, "seed": seed}
        made += [
            row("accuracy", 0.68 - 0.1 * (shield < 1), n=2000, **at),
            row("top5_accuracy", 0.93, n=2000, **at),
            row("category_loss", 1.1 + 0.01 * seed, n=2000, **at),
            row(
                "adversarial_accuracy",
                0.6 * (1 - shield),
                n=2000,
                attack="pgd",
                steps=8,
                eps=0.03,
                norm="linf",
                **at,
            ),
        ]
        knn = {"recommender": "ContentKNN", **at}
        for rank in RANKS:
            made.append(
                row("success_rate_clean", 0.002, n=pairs, rank_min=rank, threat="item_to_item", **knn)
            )
        for k in (10, 20):
            made += [
                row("HR", 0.2 + k / 200, k=k, n=300, **knn),
                row("nDCG", 0.1 + k / 300, k=k, n=300, **knn),
            ]
            made.append(row("Precision", 0.02, k=k, n=300, **knn))
        for attack, steps in ATTACKS:
            for eps in EPS:
                cell = {
                    **knn,
                    "threat": "item_to_item",
                    "attack": attack,
                    "steps": steps,
                    "eps": eps,
                    "norm": "linf",
                }
                for rank in RANKS:
                    share = STRENGTH[attack, steps] * shield * (eps / 0.05) ** 0.5 * (rank / 10) ** 0.1
                    value = rng.binomial(pairs, share) / pairs
                    made.append(row("success_rate", value, rank_min=rank, n=pairs, **cell))
                    made.append(
                        row("success_rate_8bit", max(0, value - 0.004), rank_min=rank, n=pairs, **cell)
                    )
                    if defense != "none":
                        made.append(row("p_value_vs_none", 0.001, rank_min=rank, n=pairs, **cell))
                made += [
                    row("cosine_before", 0.31, n=pairs, **cell),
                    row("cosine_after", 0.31 + 0.6 * shield, n=pairs, **cell),
                    row("median_rank_before", 1812.0, n=pairs, **cell),
                    row("median_rank_after", 1812.0 * (1 - shield) + 1, n=pairs, **cell),
                    row("ssim", 1 - eps, n=pairs, **cell),
                    row("psnr", 30 - 100 * eps, n=pairs, **cell),
                    row("linf", eps, n=pairs, **cell),
                    row("l2", eps * 100, n=pairs, **cell),
                    row("gradient_evaluations", float(steps), n=pairs, **cell),
                ]
                if attack == "pgd" and steps == 64:
                    for k in (10, 20):
                        made.append(row("HR", 0.2 + k / 200 - 0.03 * shield, k=k, n=300, **cell))
                        made.append(row("nDCG", 0.1 + k / 300 - 0.01 * shield, k=k, n=300, **cell))
    for k in (10, 20):
        made += [
            row(metric, 0.05, k=k, n=300, recommender="MostPop", seed=seed)
            for metric in ("HR", "nDCG", "Precision")
        ]
    return made


def pictures(count: int, side: int = 32) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side, 3)).astype(np.uint8) for _ in range(count)]


def exhibits_of(
    images: Sequence[np.ndarray], examples: int = 2
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Index and arrays; ``images`` serve as the catalog's pictures."""
    rng = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {f"image{i}": image for i, image in enumerate(images)}
    index: dict[str, Any] = {"examples": [], "tsne": [], "distances": []}
    defenses = list(SHIELD)
    for e in range(examples):
        noise = np.sign(rng.standard_normal(images[e].shape)) * 12
        arrays[f"attacked{e}"] = (images[e] + noise).clip(0, 255).astype(np.uint8)
        clean = [
            {"item": f"item{i}", "similarity": 0.95 - 0.03 * i, "image": f"image{(e + i + 2) % len(images)}"}
            for i in range(10)
        ]
        clean = [{**neighbour, "is_attacked": False} for neighbour in clean]
        hit = {"item": f"item{e}", "similarity": 0.97, "image": f"attacked{e}", "is_attacked": True}
        index["examples"].append(
            {
                "defense": defenses[e % 3],
                "attack": "pgd",
                "eps": 0.05,
                "steps": 64,
                "norm": "linf",
                "seed": 1,
                "attack_item": f"item{e}",
                "target_item": f"item{e + 1}",
                "rank_before": 1812,
                "rank_after": 1,
                "cosine_before": 0.31,
                "cosine_after": 0.97,
                "original": f"image{e}",
                "perturbed": f"attacked{e}",
                "target": f"image{(e + 1) % len(images)}",
                "neighbours_before": clean,
                "neighbours_after": [hit, *clean[:9]],
            }
        )
    names = ["dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt"]
    for defense, shield in SHIELD.items():
        labels = rng.integers(-1, 10, 300)
        centres = rng.standard_normal((11, 2)) * 20
        arrays[f"points_{defense}"] = (centres[labels] + rng.standard_normal((300, 2)) * 4).astype(np.float32)
        arrays[f"labels_{defense}"] = labels
        index["tsne"].append(
            {
                "defense": defense,
                "seed": 1,
                "points": f"points_{defense}",
                "labels": f"labels_{defense}",
                "categories": names,
            }
        )
        before = rng.uniform(0.2, 1.0, 200)
        arrays[f"before_{defense}"] = before
        arrays[f"after_{defense}"] = before * (1 - 0.9 * shield) + rng.uniform(0, 0.05, 200)
        index["distances"].append(
            {
                "defense": defense,
                "attack": "pgd",
                "eps": 0.05,
                "steps": 64,
                "norm": "linf",
                "seed": 1,
                "before": f"before_{defense}",
                "after": f"after_{defense}",
            }
        )
    return index, arrays


def experiment(
    seeds: Sequence[int] = (1,), images: Sequence[np.ndarray] | None = None, examples: int = 2
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """results.json and exhibits.npz of a made-up run."""
    index, arrays = exhibits_of(images or pictures(14), examples)
    results = {
        "name": "Item-to-item attack on a content kNN",
        "recipe": {
            "experiment": {
                "dataset": "clothing",
                "evaluation": {"cutoffs": [10, 20], "relevance_threshold": 3},
            }
        },
        "versions": {"elliot_advrec": "0.1.0", "torch": "2.6.0"},
        "device": "cpu",
        "seeds": list(seeds),
        "notes": ["Interactions are simulated from visual taste."],
        "stages": [
            {"name": "catalog", "key": "a1", "seconds": 3.2, "gradient_evaluations": 0, "cached": True},
            {
                "name": "extractor at",
                "kind": "extractor",
                "peak_memory_mb": 1834.0,
                "key": "b2",
                "seconds": 734.0,
                "gradient_evaluations": 91200,
                "cached": False,
            },
            {
                "name": "attack pgd",
                "kind": "attack",
                "key": "c3",
                "seconds": 61.5,
                "gradient_evaluations": 32000,
                "cached": False,
            },
        ],
        "rows": [one for seed in seeds for one in rows_of(seed)],
        "exhibits": index,
        "peak_memory_mb": 1834.2,
    }
    return results, arrays
