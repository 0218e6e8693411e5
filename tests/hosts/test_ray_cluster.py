"""Runs on a Ray cluster of two processes: the rows of one process, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import Called
from said import Said
from tiny_recipes import save, small

pytest.importorskip("ray", reason="needs Ray: pip install 'elliot-advrec[ray]'")

from elliot_advrec.errors import UserError
from elliot_advrec.hosts import dispatch
from elliot_advrec.hosts.cluster.board import BOARDS, Board
from elliot_advrec.hosts.cluster.engine import Spread, cluster
from elliot_advrec.hosts.cluster.joining import joined
from elliot_advrec.recipe import Recipe, load

TIMEOUT = 120.0
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the store needs flock")


def recipe(folder: Path, **adversarial: Any) -> Recipe:
    settings: dict[str, Any] = {
        "defenses": ["none", {"preset": "at", "steps": 2, "training": {"epochs": 1}}],
        # Long enough that a process can be found at work, and killed.
        "attacks": [{"preset": "fgsm", "eps": 0.05}, {"preset": "cw", "steps": 150, "eps": 0.05}],
    }
    return load(save(small(**settings | adversarial), folder / "recipe.yml"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Spread]:
    before = signal.getsignal(signal.SIGTERM)
    with cluster("local:2") as found:
        assert signal.getsignal(signal.SIGTERM) == before, "Ray would end this process in its own way"
        yield found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("alone")
    return dispatch.run(recipe(folder), folder / "out", host="embedded")


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for key in ("rows", "notes", "checks", "exhibits", "recipe", "seeds", "precision"):
        assert ours[key] == theirs[key], key
    columns = ("name", "kind", "key", "gradient_evaluations", "cached")
    ours_stages, theirs_stages = (
        [{column: stage[column] for column in columns} for stage in found["stages"]]
        for found in (ours, theirs)
    )
    assert ours_stages == theirs_stages


@contextmanager
def killer(store: Path, kind: str) -> Iterator[list[int]]:
    """Meanwhile, the first process seen in the middle of a stage of that kind dies by SIGKILL."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not killed and not over.is_set():
            for path in store.glob(f"{BOARDS}/*/*.json"):
                note = Board(store, path.parent.name).told(path.stem)
                if note is not None and note.done > 0 and (store / kind / f"{path.stem}.partial").exists():
                    os.kill(note.process, signal.SIGKILL)
                    killed.append(note.process)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_two_processes_give_the_rows_of_one(engine: Spread, alone: dict[str, Any], tmp_path: Path) -> None:
    made = recipe(tmp_path)
    results = dispatch.run(made, tmp_path / "out", host="embedded", engine=engine)
    same(results, alone)
    told = results["ray"]
    assert set(told["made"]) == {stage["key"] for stage in results["stages"]}
    assert (set(told["made"].values()), told["cpus_per_stage"]) == (set(told["machines"]), 1)
    assert (tmp_path / "out" / "report.html").exists()
    assert not list((tmp_path / "out" / "store").glob(f"{BOARDS}/*"))
    assert not list((tmp_path / "out").rglob("*.partial"))
    # Again: all is in the store, and a process alone finds it there as well.
    for again in (engine, None):
        given = {} if again is None else {"engine": again}
        found = dispatch.run(made, tmp_path / "out", host="embedded", **given)
        assert found["rows"] == alone["rows"]
        assert all(stage["cached"] for stage in found["stages"])


def test_a_process_killed_in_the_middle_costs_its_stage_alone(
    engine: Spread, alone: dict[str, Any], tmp_path: Path
) -> None:
    said = Said()
    with killer(tmp_path / "out" / "store", "attack") as killed:
        results = dispatch.run(
            recipe(tmp_path), tmp_path / "out", host="embedded", progress=said, engine=engine
        )
    assert len(killed) == 1, "nothing was killed"
    same(results, alone)  # every stage was made once, those that were under way beside it as well
    assert sum("died; it is begun again (1 of 2)" in line for line in said.lines) == 1, said.lines
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_what_a_process_refuses_is_said_of_the_persons_recipe(engine: Spread, tmp_path: Path) -> None:
    far = {"backbone": "test_efficientnet", "training": {"epochs": 2, "batch_size": 8, "lr": 1e30}}
    with pytest.raises(UserError, match="no longer finite") as refused:
        dispatch.run(recipe(tmp_path, extractor=far), tmp_path / "out", host="embedded", engine=engine)
    assert BOARDS not in str(refused.value)
    assert not list((tmp_path / "out" / "store").glob(f"{BOARDS}/*"))


def test_devices_that_the_cluster_lacks_are_refused(engine: Spread) -> None:
    assert engine.device("auto").type == "cpu"
    with pytest.raises(UserError, match=r"^the Ray cluster has no GPU; use --device auto"):
        engine.device("cuda")
    with pytest.raises(UserError, match=r"names one GPU, and Ray gives them out; use --device cuda"):
        engine.device("cuda:1")
    with pytest.raises(UserError, match="connected to a Ray cluster already"), joined("local:1"):
        pass


def test_an_address_where_nobody_listens_is_refused_at_once(elliot: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    begun = time.monotonic()
    path = recipe(tmp_path).path
    called: Called = elliot("run", path, "-o", tmp_path / "out", "--ray", address)
    assert time.monotonic() - begun < 15
    assert called.code == 2
    [line] = called.err.splitlines()
    assert line.startswith(f"error: --ray {address}: no Ray cluster answers (")
    assert "ray start --head" in line
    assert not (tmp_path / "out").exists()
