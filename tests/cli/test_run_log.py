"""What a run leaves in its log, and what ``--verbose`` shows: the same, on standard error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Called, start
from tiny_recipes import save, small

from elliot_advrec import paced
from elliot_advrec.errors import UserError
from elliot_advrec.progress import SILENT, Several
from elliot_advrec.runlog import NAME, RunLog, logged

Elliot = Callable[..., Called]
TIMEOUT = 120.0
DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return save(small(defenses=["none"]), tmp_path / "tiny.yml")


def undated(path: Path) -> list[str]:
    """The lines of a log, each of which must be dated."""
    lines = path.read_text("utf-8").splitlines()
    assert all(DATED.match(line) for line in lines), lines
    return [DATED.sub("", line, count=1) for line in lines]


def test_a_log_holds_stages_epochs_and_what_they_took(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert elliot("run", recipe, "-o", out, "--quiet").code == 0
    lines = undated(out / NAME)
    assert lines[0].startswith(f"elliot run {recipe} -o {out} --quiet (elliot_advrec ")
    assert re.fullmatch(r"done in \d+:\d\d", lines[-1])
    stages = [line for line in lines if re.match(r"\[\d+/\d+\] ", line)]
    took = [line for line in lines if re.match(r"  done in [\d.]+ s.*: .*store/\w+/", line)]
    assert len(stages) == len(took) > 3
    assert any("epoch 1 of" in line and "loss" in line for line in lines)
    assert any("gradient evaluations" in line for line in took)


def test_the_same_command_adds_to_the_log_what_it_found(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert elliot("run", recipe, "-o", out).code == 0
    before = undated(out / NAME)
    called = elliot("run", recipe, "-o", out, "--verbose")
    assert called.code == 0, called.err
    after = undated(out / NAME)
    assert after[: len(before)] == before
    found = [line for line in after[len(before) :] if line.startswith("in the store already: ")]
    assert len(found) == len([line for line in before if re.match(r"\[\d+/\d+\] ", line)])
    assert all(line in called.err for line in found)
    assert "every stage is in the store already" in called.err


def test_without_verbose_details_stay_in_the_log(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    called = elliot("run", recipe, "-o", tmp_path / "out")
    assert called.code == 0
    assert "[1/" in called.err
    assert "epoch 1 of" not in called.err
    assert "done in" not in called.err


def test_quiet_and_verbose_are_refused_together(elliot: Elliot, recipe: Path, tmp_path: Path) -> None:
    called = elliot("run", recipe, "-o", tmp_path / "out", "-q", "-v")
    assert called.code == 2
    assert "--quiet and --verbose cannot be had together; take one of them" in called.err
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_refused_at_once_leaves_no_folder(elliot: Elliot, tmp_path: Path) -> None:
    recipe = save(small(defenses=["none"]), tmp_path / "tiny.yml")
    called = elliot("run", recipe, "-o", tmp_path / "out", "--device", "cuda:99")
    assert called.code == 2
    assert not (tmp_path / "out").exists()


def test_a_log_says_how_a_run_ended(tmp_path: Path) -> None:
    path = tmp_path / NAME

    def fail(error: BaseException) -> None:
        with logged(path, "a run") as log:
            log.say("at work")
            raise error

    for error in (
        UserError("no", remedy="yes"),
        KeyboardInterrupt(),
        ValueError("odd\nvalue"),
        SystemExit(143),
    ):
        with pytest.raises(type(error)):
            fail(error)
    said = undated(path)
    assert said[::3] == ["a run"] * 4
    assert said[2] == "error: no; yes"
    assert re.fullmatch(r"stopped after \d:\d\d", said[5])
    assert said[8] == "fault: ValueError: odd\\nvalue"
    assert re.fullmatch(r"stopped after \d:\d\d", said[11])


def test_a_run_that_is_told_to_stop_says_so_and_goes_on_later(recipe: Path, tmp_path: Path) -> None:
    arguments, log = ["run", recipe, "-o", tmp_path / "out"], tmp_path / "said.txt"
    process, until = start(arguments, log), time.monotonic() + TIMEOUT
    while not (written := tmp_path / "out" / NAME).exists() or "[2/" not in written.read_text("utf-8"):
        assert time.monotonic() < until
        assert process.is_alive(), log.read_text("utf-8")
        time.sleep(0.02)
    process.terminate()
    process.join(TIMEOUT)
    assert process.exitcode == 143
    assert log.read_text("utf-8").endswith("stopped; run the same command again to go on from here\n")
    assert re.fullmatch(r"stopped after \d:\d\d", undated(written)[-1])
    again = start(arguments, log)
    again.join(TIMEOUT)
    assert again.exitcode == 0
    assert re.fullmatch(r"done in \d+:\d\d", undated(written)[-1])


def test_lines_wait_for_the_folder_and_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "later" / NAME)
    log.say("first")
    assert not (tmp_path / "later").exists()
    (tmp_path / "later").mkdir()
    log.detail("second")
    assert undated(log.path) == ["first", "second"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / NAME).mkdir()
    RunLog(tmp_path / "taken" / NAME).say("nobody reads this")
    RunLog(tmp_path / ("x" * 300) / NAME).say("nor this")


def test_a_task_is_logged_now_and_then_and_shown_in_every_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(paced.time, "monotonic", lambda: now[0])
    log, other = RunLog(tmp_path / NAME), RunLog(tmp_path / "other.log")
    with Several(SILENT, log, other).track("working", 10) as advance:
        for _ in range(4):
            now[0] += 10
            advance(2)
    assert undated(log.path) == ["  working: 4/10, about 0:30 left", "  working: 8/10, about 0:10 left"]
    assert undated(other.path) == undated(log.path)
