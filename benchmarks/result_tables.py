"""Markdown tables of a run's rows, for the pages of ``docs/results``.

    python benchmarks/result_tables.py results/blackbox_hr/results.json --metrics success_rate@20 ssim
    python benchmarks/result_tables.py results/var_chr/results.json --metrics CHR@20 --threat category

A row is a (recommender, defense, threat, attack, eps) of the run, a column a metric; ``@`` gives the metric's
cut-off or rank. Values are means with their 95 % interval, rates in percent; n of every column.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

RATES = ("success_rate", "success_rate_8bit", "success_rate_clean", "accuracy", "adversarial_accuracy")
CELL = ("recommender", "defense", "threat", "regime", "attack", "steps", "eps")


def wanted(row: dict[str, Any], metric: str) -> bool:
    """Whether a row is of ``NAME`` or ``NAME@CUTOFF``."""
    name, _, cutoff = metric.partition("@")
    of = row.get("k") if row.get("k") is not None else row.get("rank_min")
    return bool(row["metric"] == name and (not cutoff or of == int(cutoff)))


def shown(row: dict[str, Any]) -> str:
    """A value with its interval."""
    if row["value"] is None:
        return "-"
    rate = row["metric"] in RATES
    scale, digits = (100, 1) if rate else (1, 4 if abs(row["value"]) < 0.1 else 3)
    text = f"{scale * row['value']:.{digits}f}"
    if row.get("ci_low") is None:
        return text
    return f"{text} [{scale * row['ci_low']:.{digits}f}, {scale * row['ci_high']:.{digits}f}]"


def table(rows: list[dict[str, Any]], metrics: list[str]) -> list[str]:
    """Lines of Markdown."""
    cells: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        for metric in metrics:
            if wanted(row, metric):
                cells.setdefault(tuple(row.get(key) for key in CELL), {})[metric] = row
    used = [i for i in range(len(CELL)) if len({cell[i] for cell in cells}) > 1] or [0]
    lines = [
        "| " + " | ".join([*(CELL[i] for i in used), *metrics, "n"]) + " |",
        "| " + " | ".join(["---"] * (len(used) + len(metrics) + 1)) + " |",
    ]
    for cell, found in cells.items():
        counts = sorted({row["n"] for row in found.values() if row.get("n")})
        named = [
            "" if cell[i] is None else f"{cell[i]:.3g}" if CELL[i] == "eps" else str(cell[i]) for i in used
        ]
        values = [shown(found[metric]) if metric in found else "-" for metric in metrics]
        lines.append("| " + " | ".join([*named, *values, " / ".join(map(str, counts))]) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="results.json of a run")
    parser.add_argument("--metrics", nargs="+", required=True, metavar="METRIC[@CUTOFF]")
    for key in ("recommender", "defense", "threat", "regime", "attack"):
        parser.add_argument(f"--{key}", nargs="+", help="only these")
    options = parser.parse_args()
    results = json.loads(options.results.read_text("utf-8"))
    rows = [
        row
        for row in results["rows"]
        if all(
            getattr(options, key) is None or str(row.get(key)) in getattr(options, key)
            for key in ("recommender", "defense", "threat", "regime", "attack")
        )
    ]
    print("\n".join(table(rows, options.metrics)))


if __name__ == "__main__":
    main()
