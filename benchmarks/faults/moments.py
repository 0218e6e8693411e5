"""`kill -9` at random moments, and two runs in one store."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from benchmarks.faults.bytes_and_values import damaged
from benchmarks.faults.command import finished, judge, start
from benchmarks.faults.smallest import Undisturbed
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt


def kills(trials: Trials, folder: Path, whole: Undisturbed, a_run: int) -> Tally:
    """Each run is killed ``a_run`` times, going on in between, and ends with the rows of an undisturbed one.

    After every other kill one file of what was being made is damaged as well.
    """
    tally = Tally("kills")
    log = folder / "killed.txt"
    for number in trials.numbers():
        out = folder / f"killed{number}"

        def killed(number: int = number, out: Path = out) -> None:
            chance = trials.random(tally.kind, number)
            # Of several kills in a run each has its share of the time.
            span = whole.seconds if a_run == 1 else 2 * whole.seconds / a_run
            for turn in range(a_run):
                _killed(whole, out, log, span, chance, damage=(number + turn) % 2 == 1)
            finished([*whole.arguments, "-o", out], log, whole.limit)
            whole.same(out)

        before = len(tally.lost)
        attempt_long(tally, number, killed)
        if len(tally.lost) == before:  # each kill is a trial
            tally.tried += a_run - 1
            tally.survived += a_run - 1
            shutil.rmtree(out)
    return tally


def attempt_long(tally: Tally, number: int, work: object) -> None:
    """``attempt`` without the minute: what runs in processes of its own has a limit of its own."""
    import benchmarks.faults.trial as trial

    before, trial.SECONDS, trial.PATIENCE = (trial.SECONDS, trial.PATIENCE), 24 * 3_600, 25 * 3_600
    try:
        attempt(tally, number, work)  # type: ignore[arg-type]
    finally:
        trial.SECONDS, trial.PATIENCE = before


def _killed(
    whole: Undisturbed, out: Path, log: Path, span: float, chance: random.Random, *, damage: bool
) -> None:
    """Kill a run at a moment within ``span`` seconds; again, where it was done first."""
    while True:
        process = start([*whole.arguments, "-o", out], log)
        process.join(chance.uniform(0, span))
        if process.exitcode is None:
            process.kill()
            process.join()
            break
        said = log.read_text()
        judge(process.exitcode, said, said)
        if (out / "results.json").exists():
            _whole(out)
        span *= 0.7  # it has less to do than the first one had
        if span < 0.01:
            return
    if (out / "results.json").exists():
        _whole(out)
    partial = [path for path in out.glob("store/*/*.partial/**/*") if path.is_file()]
    if damage and partial:
        path = chance.choice(sorted(partial))
        path.write_bytes(damaged(path.read_bytes(), chance))


def _whole(out: Path) -> None:
    try:
        json.loads((out / "results.json").read_text("utf-8"))
    except ValueError as error:
        raise Wrong("half a results.json") from error


def pairs(trials: Trials, folder: Path, whole: Undisturbed) -> Tally:
    """Two runs in one store at once; every other time the first is killed while the second waits or works."""
    tally = Tally("pairs")
    for number in trials.numbers():
        place = folder / f"pair{number}"
        place.mkdir()

        def both(number: int = number, place: Path = place) -> None:
            chance = trials.random(tally.kind, number)
            store = ["--store", str(place / "store")]
            runs = []
            for name in ("left", "right"):
                arguments = [*whole.arguments, *store, "-o", str(place / name)]
                runs.append((place / name, start(arguments, place / f"{name}.txt")))
            if number % 2:
                runs[0][1].join(chance.uniform(0, whole.seconds))
                runs[0][1].kill()
            for out, process in runs:
                process.join(2 * whole.limit)
                said = (place / f"{out.name}.txt").read_text()
                if process.exitcode is None:
                    process.kill()
                    raise Wrong(f"{out.name} hangs: {said[-300:]}")
                if process.exitcode != -9:
                    judge(process.exitcode, said, said)
                    whole.same(out)
            finished([*whole.arguments, *store, "-o", str(place / "left")], place / "left.txt", whole.limit)
            whole.same(place / "left")

        attempt_long(tally, number, both)
        shutil.rmtree(place)
    return tally
