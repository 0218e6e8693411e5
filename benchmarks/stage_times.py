"""Seconds by kind of stage of two runs of one recipe, side by side: what a change of the code saved.

    git worktree add ../before COMMIT
    OMP_NUM_THREADS=1 python benchmarks/stage_times.py --before ../before --recipe untargeted_bpr
    OMP_NUM_THREADS=1 python benchmarks/stage_times.py --before ../before --repeats 3

Both trees run the recipe of this one's checkout by turns, each over an empty store, as fresh `elliot
run` commands; what is shown is the median over the repeats of the seconds of all stages of a kind, of
the whole command (start and report included), and of its processor time; and whether the two give the
same rows. Written as JSON and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from elliot_advrec.files import atomic, write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
VALUES = ("value", "ci_low", "ci_high", "n")


Rows = list[dict[str, Any]]


def run(tree: Path, recipe: Path, more: list[str]) -> tuple[dict[str, float], Rows]:
    """Seconds by kind of stage, of the command, and of the processor; and the rows, of ``tree``'s package."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "elliot_advrec.cli", "run", str(recipe), "-o", folder, "-q", *more]
        used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [*command, "--host", "embedded"],
            check=True,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
        )
        wall, spent = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        results = json.loads((Path(folder) / "results.json").read_text("utf-8"))
    found: dict[str, float] = defaultdict(float)
    for stage in results["stages"]:
        found[stage["kind"]] += stage["seconds"]
    found["(whole command)"] = wall
    found["(processor)"] = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    return dict(found), results["rows"]


def compared(before: Rows, after: Rows) -> str:
    """How the rows of two trees differ, in words."""
    old, new = ({_name(row): [row[key] for key in VALUES] for row in rows} for rows in (before, after))
    if old.keys() != new.keys():
        return f"{len(old.keys() ^ new.keys())} rows are in one of the two alone."
    apart = {name: (value, new[name]) for name, value in old.items() if new[name] != value}
    if not apart:
        return f"{len(old)} rows, all the same."
    names = [json.loads(name) for name in apart]
    who = sorted({f"{name['attack']} on {name['defense']}" for name in names})
    shown = sorted({name["metric"] for name in names})
    most = max(_distance(a, b) for pair in apart.values() for a, b in zip(*pair, strict=True))
    others = f"the others ({', '.join(who)}; {', '.join(shown)}) by {most:.2g} at most"
    return f"{len(old)} rows, {len(old) - len(apart)} the same; {others}."


def _distance(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other)


def _name(row: dict[str, Any]) -> str:
    return json.dumps({key: held for key, held in row.items() if key not in VALUES}, sort_keys=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="another checkout of this repository")
    parser.add_argument("--recipe", default="quickstart", help="the name of a shipped one, or a file")
    parser.add_argument("--preset", help="an overlay")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    named = ROOT / "recipes" / f"{asked.recipe}.yml"
    recipe = named if named.is_file() else Path(asked.recipe).resolve()
    more = ["--preset", asked.preset] if asked.preset else []
    trees = {"before": asked.before.resolve(), "after": ROOT}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    rows: dict[str, Rows] = {}
    for _ in range(asked.repeats):
        for name, tree in trees.items():
            seconds, rows[name] = run(tree, recipe, more)
            runs[name].append(seconds)
    commits = {
        name: subprocess.check_output(["git", "-C", tree, "rev-parse", "--short", "HEAD"], text=True).strip()
        for name, tree in trees.items()
    }
    kinds = list(dict.fromkeys(kind for each in (*runs["before"], *runs["after"]) for kind in each))
    median = {
        name: {kind: statistics.median(one.get(kind, 0.0) for one in each) for kind in kinds}
        for name, each in runs.items()
    }
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        f"`{recipe.stem}`{f' --preset {asked.preset}' if asked.preset else ''}, seconds, median of"
        f" {asked.repeats}, {machine}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'all')}.",
        "",
        f"| stages | before ({commits['before']}) | after ({commits['after']}) | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for kind in kinds:
        old, new = median["before"][kind], median["after"][kind]
        ratio = f"{new / old:.2f}" if old else ""
        lines.append(f"| {kind} | {old:.1f} | {new:.1f} | {ratio} |")
    difference = compared(rows["before"], rows["after"])
    lines += ["", difference]
    print("\n".join(lines))
    name = f"stage_times_{recipe.stem}"
    document = {
        "machine": machine,
        "commits": commits,
        "preset": asked.preset,
        "rows": difference,
        "median": median,
        "runs": runs,
    }
    write_json(asked.output / f"{name}.json", document)
    with atomic(asked.output / f"{name}.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
