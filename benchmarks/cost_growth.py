"""How the time of a run grows with items, users, pairs and steps, stage by stage, with the fitted exponent.

    python benchmarks/cost_growth.py
    python benchmarks/cost_growth.py --only steps pairs --points 3

Each point is a whole run over drawn items in a process of its own; one quantity is doubled from point to
point, the others stay. The exponent is the slope of the logarithm of a stage kind's seconds over the
logarithm of the quantity, by least squares: 1 is linear, 0 does not depend on it.
The table is printed, and written as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from elliot_advrec.files import atomic, write_json

RESULTS = Path(__file__).parent / "results"
FIRST = {"items": 600, "users": 400, "pairs": 64, "steps": 8}
"""Where each quantity begins; it is doubled from there while the others stay."""
KINDS = {
    "items": ("catalog", "extractor", "embeddings", "recommender", "attack", "rerank"),
    "users": ("interactions", "recommender", "rerank"),
    "pairs": ("attack",),
    "steps": ("attack",),
}
"""The stages that may depend on a quantity."""
ALL = "whole run"


def recipe(items: int, users: int, pairs: int, steps: int) -> dict[str, Any]:
    """One extractor, a recommender that learns and one that looks, one attack."""
    vbpr = {"epochs": 10, "batch_size": 256, "factors": 32, "factors_d": 16}
    return {
        "experiment": {
            "dataset": "growth",
            "models": {"external.ContentKNN": {"neighbors": 20}, "external.VBPR": vbpr},
            "adversarial": {
                "catalog": {"source": "synthetic", "items": items, "users": users, "size": 32},
                "extractor": {"backbone": "mobilenetv2_050", "training": {"epochs": 1}},
                "threats": [{"preset": "item_to_item", "pairs": pairs}],
                "attacks": [{"preset": "pgd", "steps": steps, "eps": 0.03}],
                "device": "cpu",
                "workers": 0,
            },
        }
    }


def measure(quantities: dict[str, int]) -> dict[str, float]:
    """Seconds by kind of stage of one run; called in a fresh process."""
    from elliot_advrec.hosts import embedded
    from elliot_advrec.recipe import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "growth.yml"
        path.write_text(yaml.safe_dump(recipe(**quantities)))
        results = embedded.run(load(path), Path(folder) / "out")
    spent: dict[str, float] = defaultdict(float)
    for stage in results["stages"]:
        spent[stage["kind"]] += stage["seconds"]
        spent[ALL] += stage["seconds"]
    return dict(spent)


def grown(name: str, points: int) -> list[dict[str, Any]]:
    """The runs of one quantity."""
    found = []
    for power in range(points):
        quantities = {**FIRST, name: FIRST[name] * 2**power}
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds = pool.submit(measure, quantities).result()
        print(name, quantities[name], {kind: round(value, 2) for kind, value in seconds.items()}, flush=True)
        found.append({"quantity": name, "value": quantities[name], "seconds": seconds})
    return found


def exponent(points: list[dict[str, Any]], kind: str) -> float:
    """Slope of log seconds over log quantity."""
    values = [point["value"] for point in points]
    seconds = [max(point["seconds"].get(kind, 0.0), 1e-3) for point in points]
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """One row a quantity and kind of stage."""
    lines = [
        "| quantity | from - to | stage | seconds, first - last | exponent |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, points in found.items():
        for kind in (*KINDS[name], ALL):
            first, last = points[0], points[-1]
            ends = [point["seconds"].get(kind, 0.0) for point in (first, last)]
            slope = exponent(points, kind)
            reach, spent = f"{first['value']:,} - {last['value']:,}", f"{ends[0]:.2f} - {ends[1]:.2f}"
            lines.append(f"| {name} | {reach} | {kind} | {spent} | {slope:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(FIRST), default=list(FIRST))
    parser.add_argument("--points", type=int, default=4, help="runs a quantity, each at twice the one before")
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.points < 2:
        parser.error("an exponent needs at least 2 points")
    found = {name: grown(name, asked.points) for name in asked.only}
    text = table(found)
    print(text)
    where = f"{platform.machine()}, {os.cpu_count()} cores"
    said = {"machine": where, "date": str(date.today()), "first": FIRST, "runs": found}
    write_json(asked.output / "cost_growth.json", said)
    head = f"# How time grows\n\n`python benchmarks/cost_growth.py`, {date.today()}, {where}\n\n"
    with atomic(asked.output / "cost_growth.md") as path:
        path.write_text(f"{head}{text}\n")


if __name__ == "__main__":
    main()
