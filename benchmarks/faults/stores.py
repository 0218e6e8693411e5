"""A finished store whose files were cut off, edited, lost or replaced: what was damaged is made again."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

from benchmarks.faults.bytes_and_values import damaged
from benchmarks.faults.command import finished
from benchmarks.faults.moments import attempt_long
from benchmarks.faults.smallest import Undisturbed
from benchmarks.faults.trial import Tally, Trials, Wrong


def run(trials: Trials, folder: Path, whole: Undisturbed) -> Tally:
    """One to three files of a finished store are damaged at a time."""
    tally = Tally("stores")
    out = folder / "stored"
    shutil.copytree(whole.output, out)
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        touched = {_spoilt(chance, out / "store") for _ in range(chance.choice([1, 1, 3]))} - {None}

        def again(touched: set[str | None] = touched) -> None:
            finished([*whole.arguments, "-o", out], folder / "stored.txt", whole.limit)
            whole.same(out)
            stages = json.loads((out / "results.json").read_text("utf-8"))["stages"]
            made = {stage["key"] for stage in stages if not stage["cached"]}
            if made != touched:
                raise Wrong(f"made again: {sorted(made)}, damaged: {sorted(map(str, touched))}")

        before = len(tally.lost)
        attempt_long(tally, number, again)
        if len(tally.lost) > before:
            shutil.rmtree(out)
            shutil.copytree(whole.output, out)
    shutil.rmtree(out)
    return tally


def _spoilt(chance: random.Random, store: Path) -> str | None:
    """Damage a file; the key of its stage, None where nothing changed."""
    files = sorted(path for path in store.glob("*/*/**/*") if path.is_file())
    path = chance.choice(files)
    key = path.relative_to(store).parts[1]
    data, times = path.read_bytes(), path.stat()
    how = chance.randrange(6)
    if how == 0:
        path.unlink()
    elif how == 1:
        path.unlink()
        path.mkdir()
    elif how == 2:  # of the same length and time, as a failing disk has it
        if not data:
            return None
        spot = chance.randrange(len(data))
        path.write_bytes(data[:spot] + bytes([data[spot] ^ 4]) + data[spot + 1 :])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        path.write_bytes(damaged(data, chance))
    return None if path.is_file() and path.read_bytes() == data else key
