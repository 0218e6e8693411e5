"""Full-ranking evaluation: time, peak memory, and whether cost is linear in users.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --users 2000 --items 20000
    python benchmarks/evaluation.py --metrics nDCG HR AUC GAUC

Interactions are drawn in the numbers of a large clothing catalog (45,184 users, 166,270 items, 358,003 rows,
popularity by a power law, one row of each user held out), and so are the factors: the recommender is one
matrix product of 64 factors a block. ``seconds`` and ``cpu_seconds`` are ``metrics.ranking.evaluate`` alone,
drawing excluded; ``product_seconds`` is processor time of the same matrix products alone. A quarter of the
users is measured first, each count in a process of its own. The table is printed, and written as JSON and
Markdown beside this file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.files import atomic, write_json
from elliot_advrec.metrics.listing import users_at_once
from elliot_advrec.metrics.ranking import evaluate

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("users", "seconds", "cpu_seconds", "product_seconds", "ms_a_user", "drawn_mb", "peak_mb", "first")
WHOLE = ("users", "drawn_mb", "peak_mb")


class Factors:
    """Scores as the product of user and item factors."""

    def __init__(self, users: int, items: int, factors: int) -> None:
        draw = torch.Generator().manual_seed(0)
        self.user = torch.randn(users, factors, generator=draw)
        self.item = torch.randn(factors, items, generator=draw)

    def scores(self, users: np.ndarray) -> torch.Tensor:
        """(len(users), N) float32."""
        return self.user[torch.from_numpy(users)] @ self.item


def draw(users: int, items: int, interactions: int) -> Interactions:
    """As many interactions as asked for, at least two a user; one of each user is the test."""
    generator = np.random.default_rng(0)
    share = 1 / np.arange(1, items + 1) ** 0.8
    user = np.concatenate(
        [np.repeat(np.arange(users), 2), generator.integers(users, size=max(0, interactions - 2 * users))]
    )
    item = generator.permutation(items)[generator.choice(items, size=len(user), p=share / share.sum())]
    keys = np.unique(user * np.int64(items) + item)
    user, item = keys // items, keys % items
    held = np.zeros(len(user), dtype=bool)
    several = np.flatnonzero(np.bincount(user, minlength=users)[user] > 1)
    held[several[np.unique(user[several], return_index=True)[1]]] = True

    def part(kept: np.ndarray) -> csr_matrix:
        ones = np.ones(int(kept.sum()), dtype=np.float32)
        return csr_matrix((ones, (user[kept], item[kept])), shape=(users, items))

    names = [str(number) for number in range(users)]
    return Interactions(names, part(~held), None, part(held), True, [])


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB (10^6 bytes)."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(users: int, options: argparse.Namespace) -> dict[str, Any]:
    """Draw, evaluate and time; called in a fresh process."""
    inputs = draw(users, options.items, options.interactions * users // options.users)
    model = Factors(users, options.items, options.factors)
    drawn = peak_mb()
    begin, worked = time.perf_counter(), time.process_time()
    found = evaluate(model, inputs, [options.top], metrics=options.metrics)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - worked
    worked = time.process_time()
    step = users_at_once(options.items)
    for start in range(0, users, step):
        model.scores(np.arange(start, min(start + step, users)))
    return {
        "users": users,
        "evaluated": len(found.users),
        "interactions": int(inputs.train.nnz + inputs.test.nnz),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "product_seconds": time.process_time() - worked,
        "ms_a_user": 1000 * cpu_seconds / users,
        "drawn_mb": drawn,
        "peak_mb": peak_mb(),
        "first": found.value(options.metrics[0], options.top),
    }


def table(found: list[dict[str, Any]]) -> str:
    """The measurements as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " ---: |" * len(COLUMNS)]
    for line in found:
        cells = [f"{line[c]:,.0f}" if c in WHOLE else f"{line[c]:.3g}" for c in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=45_184)
    parser.add_argument("--items", type=int, default=166_270)
    parser.add_argument("--interactions", type=int, default=358_003)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--top", type=int, default=20, help="cutoff")
    parser.add_argument("--metrics", nargs="+", default=["nDCG", "HR", "MAP", "ItemCoverage", "Gini", "ARP"])
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of evaluation.json and .md")
    options = parser.parse_args()
    found = []
    for users in (options.users // 4, options.users):
        # A fresh process each: the highest memory of a process never falls again.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(measure, users, options).result())
        print(table(found[-1:]), flush=True)
    growth = found[1]["ms_a_user"] / found[0]["ms_a_user"]
    setting = {
        "items": options.items,
        "factors": options.factors,
        "top": options.top,
        "metrics": " ".join(options.metrics),
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load after": f"{os.getloadavg()[0]:.1f}",
        "torch": torch.__version__,
    }
    print(said := f"Processor time of a user among all, over that among a quarter of them: {growth:.2f}.")
    write_json(options.output / "evaluation.json", {"setting": setting, "runs": found, "growth": growth})
    described = ", ".join(f"{name} {value}" for name, value in setting.items())
    with atomic(options.output / "evaluation.md") as temporary:
        text = f"Full-ranking evaluation ({described}).\n\n{table(found)}\n\n{said}\n"
        temporary.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
