"""The store: a stage is there whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import sums
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store
from elliot_advrec.files import sha256


def finish(store: Store, key: str, text: str = "hello") -> None:
    entry = store.entry("attack", key)
    with store.work(entry):
        (entry.partial / "a.txt").write_text(text)
        entry.commit({"rows": [1]})


def test_a_committed_stage_is_found_with_its_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.entry("attack", "k").record() is None
    finish(store, "k")
    record = store.entry("attack", "k").record()
    assert record is not None
    assert record["rows"] == [1]
    assert record["files"] == {"a.txt": 5}


def test_a_stage_left_in_the_middle_is_not_finished_and_keeps_its_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = store.entry("attack", "k")
    with store.work(entry):
        (entry.partial / "half.txt").write_text("x")
    assert entry.record() is None
    assert (entry.partial / "half.txt").exists()


@pytest.mark.parametrize(
    "damage", ["cut", "missing", "record", "edited", "edited and dated back", "record edited", "pipe", "file"]
)
def test_a_damaged_stage_counts_as_missing_and_can_be_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    finish(store, "k")
    entry = store.entry("attack", "k")
    if damage == "cut":
        (entry.folder / "a.txt").write_text("h")
    elif damage == "missing":
        (entry.folder / "a.txt").unlink()
    elif damage == "edited":  # to the same size, by a run that has read it before
        (entry.folder / "a.txt").write_text("jello")
    elif damage == "edited and dated back":  # as copying with times does
        times = (entry.folder / "a.txt").stat()
        (entry.folder / "a.txt").write_text("jello")
        os.utime(entry.folder / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    elif damage == "record edited":
        text = (entry.folder / "stage.json").read_text()
        (entry.folder / "stage.json").write_text(text.replace("  1", "  2"))
    elif damage == "pipe":
        (entry.folder / "a.txt").unlink()
        os.mkfifo(entry.folder / "a.txt")
    elif damage == "file":
        shutil.rmtree(entry.folder)
        entry.folder.write_text("")
    else:
        (entry.folder / "stage.json").write_text('{"rows": [1')
    for reader in (store, Store(tmp_path)):
        assert reader.entry("attack", "k").record() is None
        assert reader.entry("attack", "k").damaged()
    finish(store, "k", "again")
    assert entry.record() is not None
    assert not entry.damaged()
    assert (entry.folder / "a.txt").read_text() == "again"


def test_a_file_is_read_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(path: Path) -> str:
        read.append(path.name)
        return sha256(path)

    monkeypatch.setattr(sums, "sha256", reading)
    store = Store(tmp_path)
    finish(store, "k")
    assert store.entry("attack", "k").record() is not None
    assert store.entry("attack", "k").record() is not None
    assert read == ["a.txt"]
    another = Store(tmp_path).entry("attack", "k")
    assert another.there()
    assert read == ["a.txt"], "its size is enough to say that it is there"
    assert another.record() is not None
    assert read == ["a.txt", "a.txt"]


def test_a_record_from_before_there_were_sums_goes_by_sizes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    finish(store, "k")
    path = store.entry("attack", "k").folder / "stage.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({"rows": record["rows"], "files": record["files"]}))
    assert store.entry("attack", "k").record() is not None
    (path.parent / "a.txt").write_text("h")
    assert store.entry("attack", "k").record() is None


def _hold(root: Path, seconds: float) -> None:
    store = Store(root)
    entry = store.entry("attack", "k")
    with store.work(entry):
        (root / "held").touch()
        time.sleep(seconds)
        entry.commit({"by": "first"})


def test_a_second_run_waits_and_finds_the_stage_done(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path, 0.5))
    child.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    store = Store(tmp_path)
    entry = store.entry("attack", "k")
    with store.work(entry):
        record = entry.record()
    child.join()
    assert record is not None
    assert record["by"] == "first"


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "attack").write_text("")
    store = Store(tmp_path)
    with (
        pytest.raises(UserError, match="a file is in its place; name another --store"),
        store.work(store.entry("attack", "k")),
    ):
        pass


def test_the_key_follows_settings_and_needs_and_nothing_else() -> None:
    base = Stage("catalog", "a", {"x": 1})
    assert Stage("catalog", "other label", {"x": 1}, tags={"seed": 2}).key == base.key
    assert Stage("catalog", "a", {"x": 2}).key != base.key
    attack = Stage("attack", "a", {}, {"catalog": base})
    assert Stage("attack", "a", {}, {"catalog": Stage("catalog", "a", {"x": 2})}).key != attack.key
    assert json.dumps(base.key)
