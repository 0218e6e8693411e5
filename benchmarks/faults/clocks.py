"""A clock that jumps, files from the future, and settings that must not matter: the same rows."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults.command import finished
from benchmarks.faults.moments import attempt_long
from benchmarks.faults.smallest import Undisturbed, rows
from benchmarks.faults.trial import Tally, Trials, Wrong

YEAR = 31_557_600
TOLERANCE = 2e-4
"""Of values between 0 and 1, relative to 1: sums of floats in another order; ranks of items do not change."""


def jumping(seed: int) -> None:
    """From here on the wall clock jumps by up to 60 years, either way, at every look."""
    chance, real = random.Random(seed), time.time
    time.time = lambda: max(0.0, real() + chance.uniform(-60, 60) * YEAR)
    time.time_ns = lambda: int(time.time() * 1e9)


def clocks(trials: Trials, folder: Path, whole: Undisturbed) -> Tally:
    """A run under a clock that jumps, from the beginning or over a store whose files are of any time."""
    tally = Tally("clocks")
    out = folder / "timed"
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        stored = number % 2 == 1
        if stored:
            shutil.copytree(whole.output, out)
            for path in out.rglob("*"):
                when = chance.choice([0, 1, 4_000_000_000, 2_000_000_000])
                os.utime(path, (when, when))

        def run(number: int = number, stored: bool = stored) -> None:
            log, arguments = folder / "timed.txt", [*whole.arguments, "-o", out]
            finished(arguments, log, whole.limit, partial(jumping, number))
            whole.same(out)
            stages = json.loads((out / "results.json").read_text("utf-8"))["stages"]
            if stored and not all(stage["cached"] for stage in stages):
                raise Wrong("the times of files decided what was made again")

        attempt_long(tally, number, run)
        shutil.rmtree(out)
    return tally


def threads(count: int) -> None:
    """PyTorch and faiss on so many threads."""
    import faiss
    import torch

    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)


SETTINGS: tuple[tuple[dict[str, Any], int, float], ...] = (
    ({"batch_size": 1}, 1, TOLERANCE),
    ({"batch_size": 3}, 1, TOLERANCE),
    ({"workers": 2}, 1, 0.0),
    ({}, 2, TOLERANCE),
    ({}, 3, TOLERANCE),
    ({"batch_size": 5, "workers": 1}, 2, TOLERANCE),
)
"""Keys of ``adversarial``, threads, and by how much values may differ then."""


def settings(trials: Trials, folder: Path, whole: Undisturbed) -> Tally:
    """Batch size, workers and threads; trained networks stay those of the undisturbed run.

    Sums in another order change the last digits of a training's gradients, and after many steps more than
    those: what is promised is that attacks, ranks and rows of the same networks do not change.
    """
    tally = Tally("settings")
    out = folder / "set"
    for number in trials.numbers():
        keys, count, tolerance = SETTINGS[number % len(SETTINGS)]
        (out / "store").mkdir(parents=True)
        for kind in ("extractor", "filter") if number >= len(SETTINGS) or tolerance else ():
            shutil.copytree(whole.output / "store" / kind, out / "store" / kind)

        def run(keys: dict[str, Any] = keys, count: int = count, tolerance: float = tolerance) -> None:
            sets = [f"--set=adversarial.{key}={value}" for key, value in keys.items()]
            arguments = [*whole.arguments, *sets, "-o", out]
            finished(arguments, folder / "set.txt", whole.limit, partial(threads, count))
            close(rows(out), whole.rows, tolerance)

        attempt_long(tally, number, run)
        shutil.rmtree(out)
    return tally


def close(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], tolerance: float) -> None:
    """Raise ``Wrong`` where rows differ in a label, a count, or a value by more than ``tolerance``."""
    if len(ours) != len(theirs):
        raise Wrong(f"{len(ours)} rows, and {len(theirs)} before")
    numbers = ("value", "ci_low", "ci_high")
    for one, other in zip(ours, theirs, strict=True):
        for key in one:
            a, b = one[key], other[key]
            if key in numbers and a is not None and b is not None:
                if not math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance):
                    raise Wrong(f"{key} is {a}, was {b}: {one}")
            elif a != b:
                raise Wrong(f"{key} is {a}, was {b}: {one}")
