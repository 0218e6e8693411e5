"""Epochs of VBPR at Amazon Fashion's size with the packages of two checkouts, by turns.

    git worktree add ../before COMMIT
    OMP_NUM_THREADS=1 python benchmarks/vbpr_large.py --before ../before

45,184 users, 166,270 items, 358,003 interactions (Yin et al. 2023), drawn at random, for no time depends on
who took what; 2,048 features, 64 + 20 factors, batch 512. Each tree trains for two epochs in a process of
its own, ``--repeats`` times; the fastest epoch counts, and both must end with the same loss. Written as JSON
and Markdown beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

from elliot_advrec.files import atomic, write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
USERS, ITEMS, TAKEN, WIDTH = 45_184, 166_270, 358_003, 2_048


def train() -> None:
    """Two epochs with the package on the path; prints their seconds and losses."""
    from scipy.sparse import csr_matrix

    from elliot_advrec.data.interactions import Interactions
    from elliot_advrec.recommenders.vbpr import VBPR, VBPRConfig

    generator = np.random.default_rng(0)
    rows = np.concatenate([np.arange(USERS), generator.integers(USERS, size=TAKEN - USERS)])
    cells = (np.ones(TAKEN, np.float32), (rows, generator.integers(ITEMS, size=TAKEN)))
    matrix = csr_matrix(cells, shape=(USERS, ITEMS))
    features = np.maximum(generator.standard_normal((ITEMS, WIDTH), np.float32), 0)
    recommender = VBPR(VBPRConfig(epochs=2, batch_size=512, factors=64, factors_d=20))
    recommender.fit(Interactions([str(u) for u in range(USERS)], matrix, None, matrix, True, []), features)
    epochs = recommender.history.epochs
    print(json.dumps([[epoch.seconds for epoch in epochs], [epoch.loss for epoch in epochs]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout of this repository")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train:
        train()
        return
    trees = {"after": ROOT} if asked.before is None else {"before": asked.before.resolve(), "after": ROOT}
    seconds: dict[str, list[float]] = {name: [] for name in trees}
    losses: dict[str, list[float]] = {}
    for _ in range(asked.repeats):
        for name, tree in trees.items():
            done = subprocess.run(
                [sys.executable, __file__, "--train"],
                check=True, capture_output=True, text=True, cwd=tree,
                env={**os.environ, "PYTHONPATH": str(tree)},
            )  # fmt: skip
            took, losses[name] = json.loads(done.stdout.splitlines()[-1])
            seconds[name] += took
            print(name, [round(value, 1) for value in took], flush=True)
    best = {name: min(values) for name, values in seconds.items()}
    same = len({tuple(values) for values in losses.values()}) == 1
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    commits = {
        name: subprocess.check_output(["git", "-C", tree, "rev-parse", "--short", "HEAD"], text=True).strip()
        for name, tree in trees.items()
    }
    lines = [
        f"`python benchmarks/vbpr_large.py`, {machine}, OMP_NUM_THREADS {threads}; {USERS:,} users,"
        f" {ITEMS:,} items, {TAKEN:,} interactions, {WIDTH:,} features, batch 512.",
        "",
        "| checkout | seconds an epoch, the fastest | of before |",
        "| --- | ---: | ---: |",
        *(
            f"| {name} ({commits[name]}) | {value:.1f} | {value / best[next(iter(best))]:.2f} |"
            for name, value in best.items()
        ),
        "",
        f"Losses the same to the last digit: {'yes' if same else 'no'}.",
    ]
    print("\n".join(lines))
    document = {
        "machine": machine,
        "commits": commits,
        "seconds": seconds,
        "losses": losses,
        "threads": threads,
    }
    write_json(RESULTS / "vbpr_large.json", document)
    with atomic(RESULTS / "vbpr_large.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
