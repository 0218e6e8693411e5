"""A few trials of each kind of fault; ``python -m benchmarks.faults`` makes thousands."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_recipes import save, small

from benchmarks.faults import checkpoints, clocks, images, moments, recipes, stores, tables, trial
from benchmarks.faults.command import judge
from benchmarks.faults.smallest import Undisturbed, undisturbed
from benchmarks.faults.trial import Tally, Trials, Wrong, attempt
from elliot_advrec.errors import UserError
from elliot_advrec.hosts import embedded
from elliot_advrec.recipe import load

SEED = 77


def whole(tally: Tally, count: int) -> None:
    assert tally.lost == []
    assert tally.tried == tally.clean + tally.survived == count
    assert tally.clean > 0
    assert tally.survived > 0


def test_recipes(tmp_path: Path) -> None:
    whole(recipes.run(Trials(SEED, 60), tmp_path), 60)


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"png bomb", "png text"}  # seconds each to write
    monkeypatch.setattr(images, "HOSTILE", {n: make for n, make in images.HOSTILE.items() if n not in slow})
    whole(images.run(Trials(SEED, 120), tmp_path), 122)  # the folder is scanned, and made a catalog


def test_interactions(tmp_path: Path) -> None:
    whole(tables.interactions(Trials(SEED, 60), tmp_path), 60)


def test_annotations(tmp_path: Path) -> None:
    whole(tables.annotations(Trials(SEED, 40), tmp_path), 40)


def test_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    embedded.run(load(save(small(), tmp_path / "recipe.yml")), tmp_path / "out")
    whole(checkpoints.run(Trials(SEED, 60), tmp_path / "files", tmp_path / "out"), 60)


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    # 6 pairs in batches of 2, so that an attack may die half-way.
    recipe = small(threats=[{"preset": "item_to_item", "pairs": 6, "rank_min": [3]}])
    return undisturbed(folder, str(save(recipe, folder / "recipe.yml")))


def survived(tally: Tally, count: int) -> None:
    assert tally.lost == []
    assert (tally.tried, tally.survived) == (count, count)


def test_kills_at_random_moments_and_damage_to_what_was_being_made(
    tmp_path: Path, unharmed: Undisturbed
) -> None:
    survived(moments.kills(Trials(SEED, 1), tmp_path, unharmed, 4), 4)


def test_a_store_whose_files_were_damaged(tmp_path: Path, unharmed: Undisturbed) -> None:
    survived(stores.run(Trials(SEED, 4), tmp_path, unharmed), 4)


def test_a_clock_that_jumps(tmp_path: Path, unharmed: Undisturbed) -> None:
    survived(clocks.clocks(Trials(SEED, 2), tmp_path, unharmed), 2)


def test_other_rows_are_lost(tmp_path: Path, unharmed: Undisturbed) -> None:
    other = Undisturbed(unharmed.arguments, unharmed.output, unharmed.rows[1:], unharmed.seconds)
    tally = stores.run(Trials(SEED, 1), tmp_path, other)
    assert "other rows" in tally.lost[0][1]
    with pytest.raises(Wrong, match="value is"):
        clocks.close(unharmed.rows, [{**row, "value": -1.0} for row in unharmed.rows], 1e-3)


def resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no account of memory")
def test_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1)
    monkeypatch.setattr(trial, "MEMORY", resident() + (100 << 20))
    tally = Tally("any")

    def refuse() -> None:
        raise UserError("no")

    def patient() -> None:
        try:
            time.sleep(5)
        except Exception as error:  # what is tried cannot swallow its time
            raise AssertionError from error

    works = [refuse, lambda: None, lambda: {}["gone"], patient, lambda: np.ones(40 << 20).sum(), sys.exit]
    for number, work in enumerate(works):
        attempt(tally, number, work)
    assert (tally.tried, tally.clean, tally.survived) == (6, 1, 1)
    assert [number for number, _ in tally.lost] == [2, 3, 4, 5]
    assert [what.partition(":")[0] for _, what in tally.lost] == ["KeyError", "Hang", "Wrong", "SystemExit"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (70, "error: a fault"), (1, ""), (-9, ""), (2, "Usage: elliot"), (0, "Traceback (most recent"),
        (2, "error: there is not enough memory"), (2, "error: \x1b[2J"),
    ],
)  # fmt: skip
def test_ends_that_are_not_clean(code: int, said: str) -> None:
    with pytest.raises(Wrong):
        judge(code, said, said)


def test_the_same_trial_comes_again() -> None:
    trials = Trials(SEED, 10)
    one, other = trials.random("a", 3), Trials(SEED, 99, only=3).random("a", 3)
    assert isinstance(one, random.Random)
    assert one.random() == other.random()
    assert list(Trials(SEED, 99, only=3).numbers()) == [3]


def test_the_script_says_what_it_can_do() -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2
    assert "no such kind: nothing" in done.stderr
