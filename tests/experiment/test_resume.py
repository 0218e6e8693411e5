"""Runs that are killed, and runs at the same time: the results are those of one undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from commands import Kill, start
from tiny_recipes import save, small

TIMEOUT = 120.0
# Where each of the runs dies, in the order in which a run meets the stages.
DEATHS = [
    Kill("catalog", "begin"),
    Kill("catalog", "report 2"),
    Kill("interactions", "end"),
    Kill("extractor", "report 10"),  # in the second epoch of seven batches
    Kill("extractor", "end"),
    Kill("embeddings", "commit"),
    Kill("accuracy", "end"),
    Kill("recommender", "commit"),
    Kill("attack", "report 2"),
    Kill("rerank", "end"),
    Kill("attack", "end"),
    Kill("exhibits", "end"),
    Kill("extractor", "begin"),
    Kill("attack", "commit", after=1),
]


def recipe(folder: Path) -> Path:
    # 70 pictures are decoded in three batches, so that there is a middle to die in.
    catalog = {"source": "synthetic", "items": 70, "users": 12, "size": 32}
    defenses = ["none", {"preset": "at", "steps": 2, "training": {"epochs": 2}}]
    attacks = [{"preset": "fgsm", "eps": 0.03}, {"preset": "pgd", "steps": 2, "eps": 0.05}]
    return save(small(catalog=catalog, defenses=defenses, attacks=attacks), folder / "recipe.yml")


def run(folder: Path, out: str, death: Kill | None = None) -> int | None:
    process = start(["run", folder / "recipe.yml", "-o", folder / out], folder / "log.txt", death)
    process.join(TIMEOUT)
    return process.exitcode


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    recipe(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> dict[str, Any]:
    assert run(place, "undisturbed") == 0, (place / "log.txt").read_text()
    return results(place / "undisturbed")


def test_a_run_killed_in_every_kind_of_stage_ends_as_an_undisturbed_one(
    place: Path, undisturbed: dict[str, Any]
) -> None:
    finished: list[set[Path]] = []
    for death in DEATHS:
        code = run(place, "killed", death)
        assert code == -signal.SIGKILL, f"{death}: {(place / 'log.txt').read_text()[-2000:]}"
        assert not (place / "killed" / "results.json").exists()
        assert list((place / "killed" / "store" / death.kind).glob("*.partial")), "it died outside the stage"
        if death.moment == "report 10":
            assert list((place / "killed" / "store").glob("extractor/*.partial/training/*.safetensors"))
        finished.append(
            {
                p.parent
                for p in (place / "killed" / "store").glob("*/*/stage.json")
                if not p.match("*.partial/*")
            }
        )
    assert all(earlier <= later for earlier, later in pairwise(finished))
    assert run(place, "killed") == 0
    ours = results(place / "killed")
    assert ours["rows"] == undisturbed["rows"]
    assert ours["notes"] == undisturbed["notes"]
    assert ours["exhibits"] == undisturbed["exhibits"]
    assert any(stage["cached"] for stage in ours["stages"])
    assert not list((place / "killed").rglob("*.partial"))
    assert not list((place / "killed").rglob("*.tmp"))


def test_the_command_killed_from_outside_goes_on(place: Path, undisturbed: dict[str, Any]) -> None:
    out = place / "outside"
    command = [
        sys.executable,
        "-m",
        "elliot_advrec.cli",
        "run",
        str(place / "recipe.yml"),
        "-o",
        str(out),
        "-q",
    ]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + TIMEOUT
    while not list((out / "store").glob("embeddings/*")) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "results.json").exists()
    assert run(place, "outside") == 0
    ours = results(out)
    assert ours["rows"] == undisturbed["rows"]
    cached = {stage["kind"] for stage in ours["stages"] if stage["cached"]}
    assert {"catalog", "interactions", "extractor"} <= cached


def test_two_runs_share_a_store_and_do_each_stage_once(place: Path, undisturbed: dict[str, Any]) -> None:
    store = ["--store", place / "shared"]
    both = [
        start(["run", place / "recipe.yml", "-o", place / out, *store], place / f"{out}.txt")
        for out in ("left", "right")
    ]
    for process in both:
        process.join(TIMEOUT)
    assert [process.exitcode for process in both] == [0, 0]
    left, right = results(place / "left"), results(place / "right")
    assert left["rows"] == right["rows"] == undisturbed["rows"]
    made = [s["key"] for found in (left, right) for s in found["stages"] if not s["cached"]]
    assert sorted(made) == sorted(stage["key"] for stage in undisturbed["stages"])
