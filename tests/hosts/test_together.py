"""Two processes that torchrun started make the long stages together: the rows of one, and one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from commands import Called
from tiny_recipes import save, small

from elliot_advrec.cli.ending import end
from elliot_advrec.errors import UserError
from elliot_advrec.hosts import dispatch
from elliot_advrec.hosts.together import Together
from elliot_advrec.launch import launched, speaks
from elliot_advrec.processes import ALONE, Group
from elliot_advrec.recipe import load
from elliot_advrec.runlog import NAME

TOLERANCE = 1e-4
"""Of values; batches of another size round otherwise."""
TIMEOUT = 300.0


def torchrun(recipe: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "elliot_advrec.cli", "run", str(recipe), "-o", str(output), *more]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)


def recipe(folder: Path, **adversarial: Any) -> Path:
    defenses = [
        "none",
        {"preset": "at", "steps": 2, "training": {"epochs": 2}},
        {"preset": "cat", "steps": 2, "training": {"epochs": 2}},
    ]
    attacks = [{"preset": "pgd", "steps": 3, "eps": 0.05}]
    settings = {"defenses": defenses, "attacks": attacks, "precision": "float32"}
    return save(small(**settings | adversarial), folder / "recipe.yml")


def test_two_processes_give_the_rows_of_one(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    done = torchrun(path, tmp_path / "both")
    assert done.returncode == 0, done.stderr[-3000:]
    both = json.loads((tmp_path / "both" / "results.json").read_text("utf-8"))
    alone = dispatch.run(load(path), tmp_path / "alone", host="embedded")
    assert both["processes"] == 2
    assert len(both["rows"]) == len(alone["rows"])
    for ours, theirs in zip(both["rows"], alone["rows"], strict=True):
        numbers = {name for name, value in theirs.items() if isinstance(value, float)}
        assert {n: ours[n] for n in ours.keys() - numbers} == {n: theirs[n] for n in ours.keys() - numbers}
        for name in numbers:
            assert ours[name] == pytest.approx(theirs[name], abs=TOLERANCE), (ours, theirs)
    columns = ("key", "gradient_evaluations", "cached")
    assert [[stage[c] for c in columns] for stage in both["stages"]] == [
        [stage[c] for c in columns] for stage in alone["stages"]
    ]
    assert done.stdout.count("report: ") == 1  # one of them speaks
    assert done.stderr.count("] extractor with at, seed 1") == 1
    assert not list((tmp_path / "both").rglob("*.partial"))


def test_what_one_refuses_ends_both_with_one_sentence(tmp_path: Path) -> None:
    # The clean training, which the first process does alone, goes well; the defense's does not.
    at = {"preset": "at", "steps": 2, "training": {"epochs": 1, "lr": 1e30}}
    done = torchrun(recipe(tmp_path, defenses=["none", at]), tmp_path / "out", "-q")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, done.stderr[-3000:]
    assert "no longer finite" in said[0]
    assert not (tmp_path / "out" / "results.json").exists()


def test_rows_are_shared_out_whole() -> None:
    for count in (0, 1, 2, 5, 32):
        for size in (1, 2, 3, 7):
            rows = [range(count)[Group(rank, size).share(count)] for rank in range(size)]
            assert [row for part in rows for row in part] == list(range(count))
            assert max(map(len, rows)) - min(map(len, rows)) <= 1
            assert [Group(0, size).share(count, rank) for rank in range(size)] == [
                Group(rank, size).share(count) for rank in range(size)
            ]


def test_one_process_exchanges_nothing() -> None:
    part = torch.arange(6.0).view(3, 2)
    assert ALONE.gather(part, 3) is part
    assert (ALONE.hear("said"), ALONE.first, ALONE.size) == ("said", True, 1)
    ALONE.take_over(torch.nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"^mine$") as mine, ALONE.apart():
        raise UserError("mine")
    assert mine.value.__cause__ is None
    with pytest.raises(ZeroDivisionError), ALONE.apart():
        _ = 1 / 0


def test_a_follower_with_another_plan_speaks_though_the_first_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = Group(1, 2)
    monkeypatch.setattr(group, "hear", lambda text="": "0" * 32)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_RANK", "1")
    loaded = load(recipe(tmp_path, defenses=["none"]))
    app = typer.Typer()
    app.command()(
        lambda: dispatch.run(loaded, tmp_path / "out", host="embedded", engine=Together(group)) and None
    )
    monkeypatch.setattr(sys, "argv", ["elliot"])
    with pytest.raises(SystemExit) as left:
        end(app)
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("error: process 1 has another plan; ")


def test_who_was_launched_and_who_speaks(
    elliot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")  # a batch system's, and no launcher's
    assert (launched(), speaks()) == (False, True)
    for name, value in {
        "RANK": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
        "LOCAL_RANK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert (launched(), speaks()) == (True, False)
    path = save(small(), tmp_path / "recipe.yml")
    silent: Called = elliot("run", path, "-o", tmp_path / "out", "--host", "elliot")
    assert (silent.code, silent.err) == (2, "")
    monkeypatch.setenv("LOCAL_RANK", "0")
    refused: Called = elliot("run", path, "-o", tmp_path / "out", "--host", "elliot")
    assert refused.err.startswith("error: Elliot runs in one process; leave --host elliot out")
    both: Called = elliot("run", path, "-o", tmp_path / "out", "--ray", "local:2")
    assert (both.code, both.err) == (
        2,
        "error: torchrun and --ray cannot be had together; take one of them\n",
    )


def test_of_all_machines_processes_the_first_alone_keeps_the_log(
    elliot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    path, out = save(small(), tmp_path / "recipe.yml"), tmp_path / "out"
    out.mkdir()
    for rank in ("1", "0"):  # the first of another machine, and of all
        monkeypatch.setenv("RANK", rank)
        assert elliot("run", path, "-o", out, "--ray", "local:2").code == 2
        assert (out / NAME).exists() == (rank == "0")
    assert (out / NAME).read_text("utf-8").splitlines()[-1].endswith("take one of them")


def test_a_group_of_one_runs_a_plan_and_takes_no_gpu_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Together(ALONE)
    assert engine.device("cpu") == torch.device("cpu")
    monkeypatch.setattr("elliot_advrec.hosts.together.resolve_device", torch.device)
    with pytest.raises(UserError, match=r"names one GPU, and every process takes its own; use --device cuda"):
        engine.device("cuda:1")
    loaded = load(recipe(tmp_path, defenses=["none"]))
    results = dispatch.run(loaded, tmp_path / "out", host="embedded", engine=engine)
    assert results["processes"] == 1
    again = dispatch.run(loaded, tmp_path / "out", host="embedded", engine=engine)
    assert all(stage["cached"] for stage in again["stages"])
