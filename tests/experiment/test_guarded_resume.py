"""Runs with a filter and a detector that are killed end with the rows of an undisturbed one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from commands import Kill, start
from guarded import LEARNED, guarded
from tiny_recipes import save

TIMEOUT = 600.0
DEATHS = [
    Kill("filter", "report 6"),  # in the second of its two stages
    Kill("filter", "end"),
    Kill("guard", "begin"),
    Kill("guard", "end"),
    Kill("attack", "report 2"),  # whose pictures are kept
    Kill("attack", "report 2", after=1),  # that takes them over
    Kill("attack", "commit"),  # by one who adapts
]


def run(folder: Path, out: str, death: Kill | None = None) -> int | None:
    process = start(["run", folder / "recipe.yml", "-o", folder / out, "-q"], folder / "log.txt", death)
    process.join(TIMEOUT)
    return process.exitcode


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    return found


def test_a_run_killed_in_every_stage_of_a_guard_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    threats = [{"preset": "item_to_item", "pairs": 5, "rank_min": [3]}]
    attacks = [{"preset": "pgd", "steps": 2, "eps": 0.1}]
    recipe = guarded("none", {"name": "learned", **LEARNED, "tries": 2}, threats=threats, attacks=attacks)
    save(recipe, tmp_path / "recipe.yml")
    for death in DEATHS:
        code = run(tmp_path, "killed", death)
        assert code == -signal.SIGKILL, f"{death}: {(tmp_path / 'log.txt').read_text()[-2000:]}"
        assert not (tmp_path / "killed" / "results.json").exists()
        assert list((tmp_path / "killed" / "store" / death.kind).glob("*.partial")), "it died elsewhere"
    assert run(tmp_path, "killed") == 0
    assert run(tmp_path, "undisturbed") == 0
    ours, theirs = (results(tmp_path / out) for out in ("killed", "undisturbed"))
    assert ours["rows"] == theirs["rows"]
    assert ours["notes"] == theirs["notes"]
    assert not list((tmp_path / "killed").rglob("*.partial"))
    weights = [
        {
            path.parent.name: path.read_bytes()
            for path in (tmp_path / out).glob("store/filter/*/*.safetensors")
        }
        for out in ("killed", "undisturbed")
    ]
    assert weights[0] == weights[1]
