"""Do recommenders that see pictures rank better, where do they, and is it the pictures?

    python benchmarks/visual_orderings.py visual_synthetic
    python benchmarks/visual_orderings.py visual_photographs --seeds 3 --store results/visual/store

Fits the recommenders of a recipe on its simulated interactions and the embeddings of its clean extractor,
once a seed, and ranks the whole catalog. Reported are nDCG@10, Recall@10 and GAUC (the share of the other
items that a held-out one stands above) over all test items, and over those with few and with many training
interactions alone; the same lists are judged each time. Controls are VBPR on other features: ``shuffled``,
the embeddings dealt out to items at random, another deal each seed, and ``blind``, zeros, which leave VBPR's
own matrix factorisation. A user's value is its mean over seeds; intervals (Student's t) and paired tests are
over users, p-values after Benjamini and Hochberg over the whole table. Users are simulated from visual taste
by the recipe: no real user made them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from visual_inputs import Inputs, arguments, circumstances, fitted, interval, prepare

from elliot_advrec.files import atomic, write_json
from elliot_advrec.metrics.ranking import evaluate
from elliot_advrec.metrics.rates import mean_interval
from elliot_advrec.metrics.significance import benjamini_hochberg, ttest, wilcoxon

METRICS = ("nDCG", "Recall", "GAUC")
SHUFFLED, BLIND = "VBPR, shuffled", "VBPR, blind"
STRATA = {"all": (0, None), "0-2": (0, 2), "3-5": (3, 5), "6+": (6, None)}
"""Test items by how many training interactions they have."""
CHAIN = (
    ("VBPR", "BPRMF"), ("BPRMF", "MostPop"), ("MostPop", "Random"),
    ("VBPR", BLIND), ("VBPR", SHUFFLED), (SHUFFLED, BLIND), (SHUFFLED, "BPRMF"),
)  # fmt: skip
Values = dict[str, dict[tuple[str, str], list[np.ndarray]]]
"""Model -> (stratum, metric) -> a (U,) array a seed, nan where a user has no such test item."""


def held_out(inputs: Inputs) -> dict[str, csr_matrix]:
    """The test matrix of each stratum."""
    count = np.bincount(inputs.interactions.train.indices, minlength=inputs.interactions.train.shape[1])
    found = {}
    for name, (least, most) in STRATA.items():
        part = inputs.interactions.test.tocoo()
        kept = (count[part.col] >= least) & (count[part.col] <= (count.max() if most is None else most))
        entries = (part.data[kept], (part.row[kept], part.col[kept]))
        found[name] = csr_matrix(entries, shape=part.shape)
    return found


def features(name: str, embeddings: np.ndarray, seed: int) -> np.ndarray:
    """(N, D) what a model, or a control, is shown."""
    if name == SHUFFLED:
        return np.asarray(embeddings[np.random.default_rng(seed).permutation(len(embeddings))])
    return np.zeros_like(embeddings) if name == BLIND else embeddings


def measure(inputs: Inputs, seeds: int) -> Values:
    """Every model and the control, seed by seed."""
    parts, users = held_out(inputs), inputs.interactions.train.shape[0]
    entries = [(model.name, model) for model in inputs.recipe.models]
    vbpr = dict(entries)["VBPR"]
    entries += [(SHUFFLED, vbpr), (BLIND, vbpr)]
    values: Values = {name: defaultdict(list) for name, _ in entries}
    for seed in range(1, seeds + 1):
        for name, model in entries:
            begun = time.perf_counter()
            recommender = fitted(model, inputs, features(name, inputs.embeddings, seed), seed)
            for stratum, test in parts.items():
                ranked = evaluate(recommender, replace(inputs.interactions, test=test), [10], metrics=METRICS)
                for metric in METRICS:
                    row = np.full(users, np.nan)
                    row[ranked[metric, 10].users] = ranked[metric, 10].values
                    values[name][stratum, metric].append(row)
            print(
                f"seed {seed}, {name}: nDCG@10 {np.nanmean(values[name]['all', 'nDCG'][-1]):.4f}, "
                f"{time.perf_counter() - begun:.0f} s",
                flush=True,
            )
    return values


def per_user(values: Values, name: str, stratum: str, metric: str) -> np.ndarray:
    """(n,) mean over seeds of each user who has a test item in the stratum."""
    mean = np.mean(values[name][stratum, metric], axis=0)
    return mean[np.isfinite(mean)]


def compare(values: Values) -> list[dict[str, Any]]:
    """Paired differences, model against model, on every metric and stratum."""
    rows = []
    for first, second in CHAIN:
        for stratum in STRATA:
            for metric in METRICS:
                one, other = (per_user(values, name, stratum, metric) for name in (first, second))
                mean, low, high = mean_interval(one - other)
                rows.append({
                    "first": first, "second": second, "stratum": stratum, "metric": metric,
                    "difference": mean, "low": low, "high": high,
                    "ratio": one.mean() / other.mean() if other.any() else None, "users": len(one),
                    "t": ttest(one, other).p, "wilcoxon": wilcoxon(one, other).p,
                })  # fmt: skip
    for test in ("t", "wilcoxon"):
        for row, adjusted in zip(rows, benjamini_hochberg([row[test] for row in rows]), strict=True):
            row[test] = float(adjusted)
    return rows


def table(inputs: Inputs, values: Values, compared: list[dict[str, Any]], said: dict[str, Any]) -> str:
    """The result as Markdown."""
    size = inputs.described()
    test = {stratum: part.nnz for stratum, part in held_out(inputs).items()}
    lines = [
        f"# Orderings: {inputs.recipe.name}",
        "```", said["command"], "```",
        f"{said['date']}, {said['machine']}, torch {said['torch']}. {size['users']:,} simulated users, "
        f"{size['items']:,} items, {size['train']:,} training, {size['validation']:,} validation and "
        f"{size['test']:,} test interactions; features {size['width']}-d; {said['seeds']} seeds.",
        "",
        "| recommender | nDCG@10 (95 %) | by seed | Recall@10 | GAUC |",
        "| --- | ---: | --- | ---: | ---: |",
    ]  # fmt: skip
    for name in values:
        by_seed = ", ".join(f"{np.nanmean(row):.4f}" for row in values[name]["all", "nDCG"])
        cells = [interval(per_user(values, name, "all", metric)) for metric in METRICS]
        lines.append(f"| {name} | {cells[0]} | {by_seed} | {cells[1]} | {cells[2]} |")
    lines += [
        "",
        "Test items by training interactions "
        f"({', '.join(f'{stratum}: {test[stratum]:,}' for stratum in STRATA if stratum != 'all')}):",
        "",
        "| recommender | " + " | ".join(f"{m} {s}" for m in METRICS for s in STRATA if s != "all") + " |",
        "| --- |" + " ---: |" * (len(METRICS) * (len(STRATA) - 1)),
    ]
    for name in values:
        means = [per_user(values, name, s, m).mean() for m in METRICS for s in STRATA if s != "all"]
        lines.append(f"| {name} | " + " | ".join(f"{mean:.4f}" for mean in means) + " |")
    lines += [
        "",
        "| first - second | metric | test items | difference (95 %) | ratio | p (t) | p (Wilcoxon) | users |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in compared:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(
            f"| {row['first']} - {row['second']} | {row['metric']} | {row['stratum']} | "
            f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] | {ratio} | {row['t']:.2g} | "
            f"{row['wilcoxon']:.2g} | {row['users']:,} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments(__doc__ or "", "visual_synthetic").parse_args()
    inputs = prepare(options.recipe, options.overrides, options.store)
    values = measure(inputs, options.seeds)
    said = {**circumstances(), "seeds": options.seeds}
    compared = compare(values)
    means = {
        name: {
            f"{metric} {stratum}": [float(np.nanmean(row)) for row in rows]
            for (stratum, metric), rows in found.items()
        }
        for name, found in values.items()
    }
    target = options.output / f"visual_orderings_{inputs.recipe.name}"
    write_json(
        target.with_suffix(".json"), {**said, **inputs.described(), "by_seed": means, "compared": compared}
    )
    page = table(inputs, values, compared, said)
    with atomic(target.with_suffix(".md")) as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
