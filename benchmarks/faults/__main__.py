"""The campaign of faults: how many trials were made, and how many were lost (which must be none).

    python -m benchmarks.faults                              # all of it, kills in the quick start among them
    python -m benchmarks.faults --recipe smallest            # the same with a recipe of seconds
    python -m benchmarks.faults recipes --seed 1 --only 417  # one trial again, as it was

A trial survives (what was asked for was done, to the same rows), ends in a clean error (one sentence, exit
code 2), or is lost: a traceback, a crash, more than 60 s or 4 GB, half a file, other rows, code that ran. The
table is printed, and written as JSON and Markdown beside this folder, in ``results/``; a kind that was tried
before is replaced there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.faults import checkpoints, clocks, disks, images, moments, recipes, stores, tables
from benchmarks.faults.smallest import Undisturbed, undisturbed
from benchmarks.faults.trial import Tally, Trials
from elliot_advrec.files import atomic, write_json

RESULTS = Path(__file__).resolve().parents[1] / "results"
COUNTS = {
    "recipes": 1_000, "images": 1_000, "interactions": 500, "annotations": 500, "checkpoints": 500,
    "kills": 50, "pairs": 6, "stores": 40, "disks": 20, "clocks": 6, "settings": 6,
}  # fmt: skip
RUNS = ("checkpoints", "kills", "pairs", "stores", "disks", "clocks", "settings")
"""Kinds that need a finished run."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(COUNTS)}; absent: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="trials of each kind; absent: as many as the table has")
    parser.add_argument("--only", type=int, metavar="N", help="repeat the trial of this number")
    parser.add_argument("--recipe", default="quickstart", help="of the runs; `smallest`: a recipe of seconds")
    parser.add_argument("--kills-a-run", type=int, default=1, help="how often a run is killed before its end")
    parser.add_argument("--name", default="faults", help="of the files in results/")
    given = parser.parse_args()
    unknown = set(given.kinds) - set(COUNTS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    found: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        folder = Path(place)
        recipe = None if given.recipe == "smallest" else given.recipe
        whole: Undisturbed | None = None
        for kind in given.kinds or COUNTS:
            count = given.count or COUNTS[kind]
            if kind in RUNS and whole is None:
                print(f"an undisturbed run of {given.recipe}", flush=True)
                whole = undisturbed(folder, recipe)
            begun, work = time.monotonic(), folder / kind
            work.mkdir()
            a_run = min(given.kills_a_run, count) if kind == "kills" else 1
            trials = Trials(given.seed, count // a_run, given.only)
            tally = _kind(kind)(trials, work, whole, a_run)
            found.append(tally)
            if given.only is None:
                _write(tally, given, time.monotonic() - begun)
            print(f"{kind}: {tally.tried} tried, {tally.clean} clean errors, {tally.survived} survived, "
                  f"{len(tally.lost)} lost", flush=True)  # fmt: skip
            for number, what in tally.lost:
                print(f"  {kind} --seed {given.seed} --only {number}: {what}", flush=True)
    sys.exit(any(tally.lost for tally in found))


def _kind(kind: str) -> Callable[[Trials, Path, Any, int], Tally]:
    return {
        "recipes": lambda trials, folder, whole, _: recipes.run(trials, folder),
        "images": lambda trials, folder, whole, _: images.run(trials, folder),
        "interactions": lambda trials, folder, whole, _: tables.interactions(trials, folder),
        "annotations": lambda trials, folder, whole, _: tables.annotations(trials, folder),
        "checkpoints": lambda trials, folder, whole, _: checkpoints.run(trials, folder, whole.output),
        "kills": moments.kills,
        "pairs": lambda trials, folder, whole, _: moments.pairs(trials, folder, whole),
        "stores": lambda trials, folder, whole, _: stores.run(trials, folder, whole),
        "disks": lambda trials, folder, whole, _: disks.run(trials, folder, whole),
        "clocks": lambda trials, folder, whole, _: clocks.clocks(trials, folder, whole),
        "settings": lambda trials, folder, whole, _: clocks.settings(trials, folder, whole),
    }[kind]


def _write(tally: Tally, given: argparse.Namespace, seconds: float) -> None:
    """Put one kind's counts into the table, in place of earlier ones of that kind."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    kinds = [tally.kind, *(f"--seed={given.seed} --recipe={given.recipe}".split())]
    kinds += [f"--count={given.count or COUNTS[tally.kind]}", f"--kills-a-run={given.kills_a_run}"]
    kinds += [f"--name={given.name}"] if given.name != "faults" else []
    command = " ".join(["python -m benchmarks.faults", *kinds])
    path = RESULTS / f"{given.name}.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[tally.kind] = {**tally.as_json(), "command": command, "machine": machine, "seconds": round(seconds)}
    found = [known[kind] for kind in COUNTS if kind in known]
    write_json(path, {each["kind"]: each for each in found})
    lines = [
        "| kind | tried | clean errors | survived | lost | command |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *(
            "| {kind} | {tried:,} | {clean_errors:,} | {survived:,} | {lost} | `{command}` |".format(**each)
            for each in found
        ),
    ]
    with atomic(path.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
