"""`elliot guard fit`: from a recipe to a folder that scans pictures, without training anything twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Called
from tiny_guards import shop, table
from tiny_recipes import save, small

from elliot_advrec.guards import Guard

Elliot = Callable[..., Called]
LEARNED: dict[str, Any] = {
    "name": "learned",
    "filter": {"type": "reconstruction", "width": 8, "blocks": 1, "heads": 2, "tokens": 6},
    "detector": {"type": "contrastive", "encoder": "test_efficientnet", "projection": 8, "fpr": 0.25},
    "filter_training": {
        "batch_size": 8,
        "perceptual_weight": 0,
        "stages": [{"epochs": 1, "learns": ["filter", "detector"]}],
    },
}
PLAIN: dict[str, Any] = {
    "name": "plain",
    "filter": {"type": "jpeg", "quality": 50},
    "detector": {"type": "squeezing", "fpr": 0.25},
}


def recipe(folder: Path, *defenses: dict[str, Any]) -> Path:
    return save(small(defenses=["none", *defenses]), folder / "recipe.yml")


@pytest.mark.parametrize(
    ("defense", "files"),
    [
        (LEARNED, {"filter.safetensors", "detector.safetensors"}),
        (PLAIN, {"extractor.safetensors"}),
    ],
    ids=["learned", "plain"],
)
def test_a_defense_of_a_recipe_guards_a_folder(
    defense: dict[str, Any],
    files: set[str],
    elliot: Elliot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, kept = recipe(tmp_path, defense), tmp_path / "kept"
    called = elliot("guard", "fit", path, "-o", kept)
    assert called.code == 0, called.err
    assert called.out == f"{kept}\n"
    assert {file.name for file in kept.iterdir()} == {"guard.json", *files}
    found = Guard.load(kept)
    assert found.image_size == 32
    assert found.about["recipe"] == "recipe"
    # The store is that of `elliot run`; what is in it is not made again, and the guard is the same.
    before = sorted((tmp_path / "results" / "recipe" / "store").glob("*/*/stage.json"))
    assert before
    stamps = [file.stat().st_mtime_ns for file in before]
    again = elliot("guard", "fit", path, "-o", "again", "--defense", defense["name"], "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert [file.stat().st_mtime_ns for file in before] == stamps
    assert Guard.load(tmp_path / "again").digest == found.digest
    folder = shop(tmp_path / "shop", 6)
    scanned = elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path / "out", "-q")
    rows = table(tmp_path / "out" / "verdicts.tsv")
    assert len(rows) == 6
    assert scanned.code == int(any(row["flagged"] == "true" for row in rows))
    assert {float(row["threshold"]) for row in rows} == {found.threshold}


def test_what_is_refused(elliot: Elliot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two = recipe(tmp_path, PLAIN, {**PLAIN, "name": "other"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    refused = [
        (["-o", "out"], "2 defenses of the recipe have a filter or a detector; say which: --defense plain"),
        (["-o", "out", "--defense", "plane"], "did you mean 'plain'?"),
        (["-o", "full", "--defense", "plain"], "there is something here already that is no guard's"),
        (["-o", two, "--defense", "plain"], "there is something here already"),
        (["-o", "out", "--store", "out/store"], "the store lies in the guard's folder, which is replaced"),
        (["-o", "out", "--device", "cuda:99"], "device 'cuda:99' is not there"),
    ]
    for arguments, words in refused:
        called = elliot("guard", "fit", two, *arguments)
        assert called.code == 2, words
        assert called.err.splitlines()[-1].startswith("error: ")
        assert words in called.err
    assert (tmp_path / "full" / "mine.txt").read_text() == "x"
    assert not (tmp_path / "out").exists()
    without = elliot("guard", "fit", recipe(tmp_path), "-o", "out")
    assert without.code == 2
    assert "no defense of the recipe has a filter or a detector" in without.err


def test_a_threshold_that_no_validation_score_allows(
    elliot: Elliot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    strict = {**PLAIN, "detector": {"type": "squeezing", "fpr": 0.001}}
    called = elliot("guard", "fit", recipe(tmp_path, strict), "-o", "out")
    assert called.code == 2
    assert "a false-positive rate of 0.001 allows none of " in called.err
    assert "validate on at least 1000 pictures, or raise fpr" in called.err
    assert not (tmp_path / "out").exists()


def test_a_guard_that_is_there_is_replaced(
    elliot: Elliot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = recipe(tmp_path, PLAIN, {"name": "bare", "filter": {"type": "median"}})
    for name in ("plain", "bare"):
        assert elliot("guard", "fit", path, "-o", "kept", "--defense", name, "-q").code == 0
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {"guard.json"}
    record = json.loads((tmp_path / "kept" / "guard.json").read_text("utf-8"))
    assert record["filter"]["type"] == "median"
    assert record["detector"] is None
