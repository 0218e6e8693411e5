"""Time and memory of every shipped recipe, rehearsed.

    OMP_NUM_THREADS=1 python benchmarks/recipes.py
    OMP_NUM_THREADS=1 python benchmarks/recipes.py --preset small --recipes quickstart clothing_at
    OMP_NUM_THREADS=1 python benchmarks/recipes.py --preset none --recipes quickstart

Each recipe is a fresh `elliot run` over an empty store, with ``--preset`` (``tiny``: drawn clothes, every
cell; ``none``: the recipe as it stands, which reads its data from where it says). ``seconds`` is the
command's wall time, imports and report included, ``cpu`` its processor time, ``peak_mib`` the run's own
account of its memory; an `elliot` command that runs nothing is timed beside them. What a full run takes
is in proportion to its plan's gradient evaluations (`elliot check`, benchmarks/cost_growth.py). Written
as JSON and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from elliot_advrec.experiment.plan import make_plan
from elliot_advrec.files import atomic, write_json
from elliot_advrec.recipe import load, recipe_path, recipes

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("recipe", "stages", "cells", "gradients", "seconds", "cpu", "peak_mib", "largest_stage")


def command(*given: str) -> tuple[float, float]:
    """Wall and processor seconds of one `elliot` command."""
    used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "elliot_advrec.cli", *given], check=True, stdout=subprocess.DEVNULL)
    wall, spent = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime


def measure(name: str, preset: str | None) -> dict[str, Any]:
    """One recipe's row."""
    path = recipe_path(name)
    assert path is not None
    plan = make_plan(load(path, overlay=preset), "cpu")
    with tempfile.TemporaryDirectory() as folder:
        given = ["run", name, "-o", folder, "-q", "--host", "embedded"]
        seconds, cpu = command(*given, *(["--preset", preset] if preset else []))
        results = json.loads((Path(folder) / "results.json").read_text("utf-8"))
    longest = max(results["stages"], key=lambda stage: stage["seconds"])
    return {
        "recipe": name,
        "stages": len(plan.unique()),
        "cells": plan.cells,
        "gradients": sum(stage["gradient_evaluations"] or 0 for stage in results["stages"]),
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 1),
        "peak_mib": round(results["peak_memory_mb"]),
        "largest_stage": f"{longest['kind']} {longest['seconds']:.1f} s",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", default="tiny", help="an overlay; none: as written")
    parser.add_argument("--recipes", nargs="+", default=[name for name, _ in recipes()])
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    preset = None if asked.preset == "none" else asked.preset
    importing, _ = command("list", "recipes")
    rows = []
    for name in asked.recipes:
        rows.append(measure(name, preset))
        print(json.dumps(rows[-1]), flush=True)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    cells = [
        [f"{value:,}" if isinstance(value, int) else str(value) for value in map(row.get, COLUMNS)]
        for row in rows
    ]
    lines = [
        f"`python benchmarks/recipes.py --preset {asked.preset}`, {machine}, OMP_NUM_THREADS {threads};"
        f" an `elliot` command that runs nothing takes {importing:.1f} s here.",
        "",
        *(f"| {' | '.join(line)} |" for line in (COLUMNS, ["---"] * len(COLUMNS), *cells)),
    ]
    written = asked.output / f"recipes_{asked.preset}"
    write_json(written.with_suffix(".json"), {"machine": machine, "threads": threads, "preset": asked.preset,
                                              "importing": importing, "rows": rows})  # fmt: skip
    with atomic(written.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
