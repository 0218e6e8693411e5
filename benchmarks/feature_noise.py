"""How far nDCG@10 falls when item features change a little: AMR beside VBPR.

    python benchmarks/feature_noise.py visual_synthetic
    python benchmarks/feature_noise.py visual_photographs --eps 0.05 0.1 0.2 --seeds 3

As in Tang et al. 2019, section 5.3: recommenders of a recipe are trained on clean features, then every item's
features are changed by an L2 length of eps and the same test lists are ranked again. ``adversarial`` is the
change that raises the pairwise loss (one step of length eps; ``recommenders.bpr.noise``), made anew for each
recommender through its own weights; ``random`` has a direction drawn evenly. eps is in units of the features
(``absolute``, as there), or a share of the catalog's mean feature length (``relative``), which compares
extractors of different scale. The drop is 1 - nDCG@10 noisy / clean, each user's values averaged over seeds;
intervals are percentiles of 2,000 bootstrap samples of users, in which both recommenders have the same users.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from visual_inputs import Inputs, arguments, circumstances, fitted, interval, prepare

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.files import atomic, write_json
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.recommenders.bpr.factors import FactorRecommender
from elliot_advrec.recommenders.bpr.noise import feature_noise

PAIR = ("VBPR", "AMR")
SAMPLES = 2000
Key = tuple[str, str, float]
"""Noise, scale and eps; ("clean", "", 0) where there is none."""
CLEAN: Key = ("clean", "", 0.0)


def noisy(recommender: FactorRecommender, inputs: Inputs, kind: str, eps: float, seed: int) -> np.ndarray:
    """(N, D) features, each changed by a length of eps (adversarially only items with training rows)."""
    features = inputs.embeddings
    if kind == "adversarial":
        return feature_noise(recommender, inputs.interactions, features, eps, seed=seed)
    drawn = np.random.default_rng(seed).standard_normal(features.shape, dtype=np.float32)
    return features + eps * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def values(recommender: FactorRecommender, interactions: Interactions) -> np.ndarray:
    """(n,) nDCG@10 of each user with a test item."""
    return evaluate(recommender, interactions, [10], metrics=["nDCG"])["nDCG", 10].values


def measure(inputs: Inputs, seeds: int, epsilons: list[float]) -> dict[str, dict[Key, list[np.ndarray]]]:
    """Recommender -> kind of noise -> each user's nDCG@10, seed by seed."""
    length = float(np.linalg.norm(inputs.embeddings, axis=1).mean())
    rows = np.arange(len(inputs.embeddings))
    models = [model for model in inputs.recipe.models if model.name in PAIR]
    found: dict[str, dict[Key, list[np.ndarray]]] = {model.name: {} for model in models}
    for seed in range(1, seeds + 1):
        for model in models:
            recommender = fitted(model, inputs, inputs.embeddings, seed)
            assert isinstance(recommender, FactorRecommender)
            kept = found[model.name]
            kept.setdefault(CLEAN, []).append(values(recommender, inputs.interactions))
            for scale, unit in (("absolute", 1.0), ("relative", length)):
                for kind in ("adversarial", "random"):
                    for eps in epsilons:
                        changed = recommender.with_items(
                            rows, noisy(recommender, inputs, kind, eps * unit, seed)
                        )
                        kept.setdefault((kind, scale, eps), []).append(values(changed, inputs.interactions))
            print(f"seed {seed}, {model.name}: nDCG@10 {kept[CLEAN][-1].mean():.4f} clean", flush=True)
    return found


def drops(found: dict[str, dict[Key, list[np.ndarray]]]) -> list[dict[str, Any]]:
    """One row a noise: the drop of both, and how much less AMR's is."""
    mean = {name: {key: np.mean(rows, axis=0) for key, rows in kept.items()} for name, kept in found.items()}
    users = len(mean["VBPR"][CLEAN])
    sampled = np.random.default_rng(0).integers(users, size=(SAMPLES, users))

    def drop(name: str, key: Key) -> tuple[float, np.ndarray]:
        clean, noisy = mean[name][CLEAN], mean[name][key]
        return 1 - noisy.mean() / clean.mean(), 1 - noisy[sampled].mean(1) / clean[sampled].mean(1)

    rows = []
    for key in found["VBPR"]:
        if key == CLEAN:
            continue
        row: dict[str, Any] = dict(zip(("noise", "scale", "eps"), key, strict=True))
        (vbpr, many), (amr, others) = drop("VBPR", key), drop("AMR", key)
        for name, value, samples in (
            ("VBPR", vbpr, many),
            ("AMR", amr, others),
            ("less", vbpr - amr, many - others),
        ):
            low, high = np.percentile(samples, [2.5, 97.5])
            row[name] = {"drop": float(value), "low": float(low), "high": float(high)}
        for name in PAIR:
            row[name]["by_seed"] = [
                float(1 - noisy.mean() / clean.mean())
                for clean, noisy in zip(found[name][CLEAN], found[name][key], strict=True)
            ]
        rows.append(row)
    return rows


def table(
    inputs: Inputs,
    found: dict[str, dict[Key, list[np.ndarray]]],
    rows: list[dict[str, Any]],
    said: dict[str, Any],
) -> str:
    """The result as Markdown."""
    size = inputs.described()
    clean = "; ".join(f"{name} {interval(np.mean(found[name][CLEAN], axis=0))}" for name in PAIR)
    lines = [
        f"# Feature noise: {inputs.recipe.name}",
        "```", said["command"], "```",
        f"{said['date']}, {said['machine']}, torch {said['torch']}. {size['users']:,} simulated users, "
        f"{size['items']:,} items, features {size['width']}-d of mean length "
        f"{size['mean_feature_length']:.2f}; {said['seeds']} seeds. "
        f"Clean nDCG@10 (95 %): {clean}. Drop in percent, 95 % interval, by seed.",
        "",
        "| noise | scale | eps | VBPR | by seed | AMR | by seed | VBPR - AMR |",
        "| --- | --- | ---: | ---: | --- | ---: | --- | ---: |",
    ]  # fmt: skip
    for row in rows:
        cells = [
            f"{100 * row[n]['drop']:.1f} [{100 * row[n]['low']:.1f}, {100 * row[n]['high']:.1f}]"
            for n in (*PAIR, "less")
        ]
        seeds = [", ".join(f"{100 * one:.1f}" for one in row[name]["by_seed"]) for name in PAIR]
        lines.append(
            f"| {row['noise']} | {row['scale']} | {row['eps']:g} | {cells[0]} | {seeds[0]} | "
            f"{cells[1]} | {seeds[1]} | {cells[2]} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = arguments(__doc__ or "", "visual_synthetic")
    parser.add_argument("--eps", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    options = parser.parse_args()
    inputs = prepare(options.recipe, options.overrides, options.store)
    found = measure(inputs, options.seeds, options.eps)
    rows, said = drops(found), {**circumstances(), "seeds": options.seeds}
    target = options.output / f"feature_noise_{inputs.recipe.name}"
    write_json(target.with_suffix(".json"), {**said, **inputs.described(), "rows": rows})
    page = table(inputs, found, rows, said)
    with atomic(target.with_suffix(".md")) as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
