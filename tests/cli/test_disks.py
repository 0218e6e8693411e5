"""Disks that are full, at the start or in the middle, and folders that cannot be written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Called, Fill, start
from tiny_recipes import save, small

Elliot = Callable[..., Called]
Refused = Callable[..., str]
SmallDisk = Callable[[int], Path]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return save(small(defenses=["none", "at"]), tmp_path / "recipe.yml")


def test_a_disk_with_little_room_is_refused_before_anything_runs(
    refused: Refused, recipe: Path, small_disk: SmallDisk
) -> None:
    disk = small_disk(2048)
    said = refused("run", recipe, "-o", disk / "out", out=disk / "out")
    assert said == f"error: {disk / 'out'}: the disk is full; free space, or name another --output"


def test_a_folder_that_the_system_cannot_name_is_refused(
    refused: Refused, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / ("x" * 300)
    said = refused("run", recipe, "-o", out)
    assert said == f"error: {out}: cannot be written (File name too long); name another --output"


# Bytes left when a stage of a kind begins: nothing, or part of what it has to write.
CRAMPED = [
    ("catalog", 0),
    ("interactions", 4096),
    ("extractor", 0),
    ("extractor", 1_000_000),
    ("embeddings", 0),
    ("embeddings", 8192),
    ("accuracy", 0),
    ("recommender", 4096),
    ("attack", 0),
    ("attack", 16_384),
    ("rerank", 0),
    ("exhibits", 0),
    ("exhibits", 16_384),
]


def test_a_disk_that_fills_up_ends_the_run_in_one_sentence_and_room_lets_it_go_on(
    recipe: Path, tmp_path: Path, small_disk: SmallDisk
) -> None:
    disk, log = small_disk(16_000), tmp_path / "log.txt"
    store, out = disk / "store", tmp_path / "out"
    arguments = ["run", recipe, "-q", "-o", out, "--store", store]
    finished: set[str] = set()
    for kind, left in CRAMPED:
        log.unlink(missing_ok=True)
        # In a process of its own: writing to a full disk through a memory map would kill it.
        process = start(arguments, log, Fill(kind, disk, left))
        process.join(120)
        said = log.read_text()
        assert process.exitcode == 2, f"{kind}: {said}"
        assert said.count("\n") == 1
        assert said.startswith("error: ")
        assert f"{store / kind}" in said
        assert "free space, " in said
        assert "name another --output" in said
        assert not (out / "results.json").exists()
        assert not list(store.rglob("*.tmp"))
        before, finished = finished, {record.parent.name for record in store.glob("*/*/stage.json")}
        assert before <= finished
        (disk / "ballast").unlink()
    assert start_and_wait(arguments, log) == 0, log.read_text()
    stages = json.loads((out / "results.json").read_text("utf-8"))["stages"]
    assert {stage["key"] for stage in stages if stage["cached"]} == finished


def start_and_wait(arguments: list[object], log: Path) -> int | None:
    process = start(arguments, log)
    process.join(120)
    return process.exitcode


@pytest.fixture
def read_only(small_disk: SmallDisk) -> Path:
    disk = small_disk(70_000)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    return disk


def test_a_read_only_disk_is_refused(refused: Refused, recipe: Path, tmp_path: Path, read_only: Path) -> None:
    said = refused("run", recipe, "-o", read_only / "out")
    assert said == f"error: {read_only / 'out'}: cannot be written; name an --output folder you may write to"
    kept = refused(
        "run", recipe, "-q", "-o", tmp_path / "out", "--store", read_only / "store", out=tmp_path / "out"
    )
    assert f"{read_only / 'store'}" in kept
    assert "cannot be written" in kept


@pytest.mark.parametrize("option", ["--output", "--store"])
def test_a_folder_below_a_file_is_refused(
    refused: Refused, recipe: Path, tmp_path: Path, option: str
) -> None:
    file = tmp_path / "file"
    file.write_text("here before")
    where = ["-o", tmp_path / "out"] if option == "--store" else []
    for folder in (file, file / "below"):
        said = refused("run", recipe, "-q", *where, option, folder, out=tmp_path / "out")
        assert str(folder) in said
        assert "--output" in said or "--store" in said
    assert file.read_text() == "here before"
    assert not (tmp_path / "out" / "results.json").exists()


def test_the_report_of_a_read_only_folder_is_refused(
    elliot: Elliot, refused: Refused, tmp_path: Path, small_disk: SmallDisk
) -> None:
    disk = small_disk(80_000)
    recipe = save(small(), tmp_path / "recipe.yml")
    assert elliot("run", recipe, "-q", "-o", disk / "out").code == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = refused("report", disk / "out")
    assert f"{disk / 'out'}" in said
    assert "cannot be written" in said
