"""The store: a stage is there whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.stages import Stage
from elliot_advrec.experiment.store import Store


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


@pytest.mark.parametrize("damage", ["cut", "missing", "record"])
def test_a_damaged_stage_counts_as_missing_and_can_be_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    finish(store, "k")
    entry = store.entry("attack", "k")
    if damage == "cut":
        (entry.folder / "a.txt").write_text("h")
    elif damage == "missing":
        (entry.folder / "a.txt").unlink()
    else:
        (entry.folder / "stage.json").write_text('{"rows": [1')
    assert entry.record() is None
    finish(store, "k", "again")
    assert entry.record() is not None
    assert (entry.folder / "a.txt").read_text() == "again"


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
