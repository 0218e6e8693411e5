"""How much sooner a run ends on a Ray cluster of two processes than in one, and whether rows are the same.

    OMP_NUM_THREADS=1 python benchmarks/ray_speedup.py
    OMP_NUM_THREADS=1 python benchmarks/ray_speedup.py --recipe recipes/quickstart.yml --repeats 3

Each run is a fresh command over an empty store; ``one`` (`elliot run`) and ``ray`` (`elliot run --ray
local:N`) alternate, so that both meet the same machine. ``wall`` is the whole command's, start and report
included (Ray's own start and each process's imports are some ten seconds that a run of hours does not
notice); ``stages`` is from the first stage to the last. ``busy`` is processor time over wall time of the run
in one process, which keeps one core busy: far below 1, others used the machine too, and a scheduler that
shares it out by processes then favours two of them over one: the ratio says less. All is printed, and written
as JSON beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from elliot_advrec.files import write_json

HERE = Path(__file__).resolve().parent
SMALLER = (
    "adversarial.seeds=[1, 2]",
    "adversarial.catalog.items=200",
    "adversarial.catalog.size=32",
    "adversarial.extractor.training.epochs=8",
    "adversarial.threats[0].pairs=32",
    "adversarial.attacks.cw.pairs=16",
)
"""Overrides of the quick start that make it a run of a minute or two, with cells enough for two."""


def run(recipe: str, sets: list[str], output: Path, *more: str) -> dict[str, Any]:
    """One command: wall and processor seconds, seconds from the first stage to the last, and its rows."""
    given = [part for assignment in sets for part in ("--set", assignment)]
    command = [sys.executable, "-m", "elliot_advrec.cli", "run", recipe, *given, "-o", str(output), "-q"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    load, begun = os.getloadavg()[0], time.time()
    subprocess.run([*command, "--host", "embedded", *more], check=True)
    wall = time.time() - begun
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = json.loads((output / "results.json").read_text("utf-8"))
    records = list((output / "store").glob("*/*/stage.json"))
    first = min(path.stat().st_mtime - json.loads(path.read_text("utf-8"))["seconds"] for path in records)
    return {
        "wall": wall,
        "stages": max(path.stat().st_mtime for path in records) - first,
        "cpu": spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime,
        "load_before": load,
        "work": sum(stage["seconds"] for stage in results["stages"]),
        "rows": results["rows"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", default=None, help="a recipe; absent: the quick start, made smaller")
    parser.add_argument("--set", action="append", default=[], help="an override, as of `elliot run`")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "results")
    asked = parser.parse_args()
    recipe = asked.recipe or "quickstart"
    sets = asked.set if asked.recipe else [*SMALLER, *asked.set]
    runs = []
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory() as folder:
            one = run(recipe, sets, Path(folder) / "one")
            ray = run(recipe, sets, Path(folder) / "ray", "--ray", f"local:{asked.workers}")
        pair = {
            "same_rows": one.pop("rows") == ray.pop("rows"),
            "busy": one["cpu"] / one["wall"],
            "speed_up_wall": one["wall"] / ray["wall"],
            "speed_up_stages": one["stages"] / ray["stages"],
            "one": one,
            "ray": {name: value for name, value in ray.items() if name != "cpu"},  # of the waiting process
        }
        print(json.dumps(pair, indent=1))
        runs.append(pair)
    median = {
        name: statistics.median(pair[name] for pair in runs) for name in ("speed_up_wall", "speed_up_stages")
    }
    print(f"{asked.workers} processes: {median}; rows the same: {all(pair['same_rows'] for pair in runs)}")
    document = {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {name: version(name) for name in ("ray", "torch")},
        "recipe": recipe,
        "sets": sets,
        "workers": asked.workers,
        "median": median,
        "runs": runs,
    }
    write_json(asked.output / "ray_speedup.json", document)


if __name__ == "__main__":
    main()
