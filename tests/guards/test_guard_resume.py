"""Scans that are killed and started again end with the same files; what changed in between is seen."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Called, KillScan, start
from pictures import drawn
from tiny_guards import guard, saved, shop, table

from elliot_advrec.data.finding import Found
from elliot_advrec.errors import UserError
from elliot_advrec.guards import Guard, scanning
from elliot_advrec.guards.journal import Entry, Journal
from elliot_advrec.guards.scanning import Options, scan
from elliot_advrec.guards.summary import Summary

Elliot = Callable[..., Called]
SIGKILLED = -9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shop(tmp_path_factory.mktemp("shop"), 40)
    (root / "shoes" / "bad.jpg").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("guards") / "random", "random")


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that are scored from now on."""
    seen: list[str] = []
    score = Guard.score

    def counting(self: Guard, pixels: Any, names: Any) -> Any:
        seen.extend(names)
        return score(self, pixels, names)

    monkeypatch.setattr(Guard, "score", counting)
    return seen


@pytest.mark.parametrize("fault", [KillScan(0), KillScan(3), KillScan(5, torn=True)], ids=str)
def test_a_killed_scan_goes_on_to_the_same_files(
    fault: KillScan, elliot: Elliot, folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arguments(out: Path) -> list[object]:
        formats = ["--format", "tsv", "--format", "json", "--batch-size", 6, "-o", out / "out"]
        return ["guard", "scan", folder, "--guard", kept, *formats, "--cleaned", out / "clean"]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert elliot(*arguments(whole)).code == 1
    process = start(arguments(killed), tmp_path / "log.txt", fault)
    process.join(120)
    assert process.exitcode == SIGKILLED, (tmp_path / "log.txt").read_text()
    assert not list((killed / "out").glob("verdicts.*"))
    seen = counted(monkeypatch)
    called = elliot(*arguments(killed))
    assert called.code == 1
    assert ("going on where an earlier scan was" in called.err) == (fault.after > 0)
    assert len(seen) == 40 - 6 * fault.after  # the one bad picture is in the last batch
    for name in ("out/verdicts.tsv", "out/verdicts.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    pictures = sorted(path.relative_to(whole) for path in (whole / "clean").rglob("*.png"))
    assert len(pictures) == 40
    for name in pictures:
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(os.listdir(killed / "out")) == [".verdicts.lock", "verdicts.json", "verdicts.tsv"]


class Stop(Exception):  # noqa: N818
    """Ends a scan in the middle."""


def interrupted(folder: Path, found: Guard, output: Path, after: int, options: Options) -> None:
    """A scan that ends after so many batches."""
    add, left = Journal.add, after

    def stopping(self: Journal, entries: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop
        add(self, entries)

    Journal.add = stopping  # type: ignore[method-assign]
    try:
        with pytest.raises(Stop):
            scan(folder, found, output, options)
    finally:
        Journal.add = add  # type: ignore[method-assign]


def test_what_changed_in_between_is_looked_at_again(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found, options = shop(tmp_path / "shop", 20), Guard.load(kept), Options(batch_size=4)
    (folder / "shirts" / "summer" / "0018.png").write_bytes(b"nonsense")
    interrupted(folder, found, tmp_path / "out", 4, options)
    summer = folder / "shirts" / "summer"
    drawn(77).save(summer / "0018.png")  # mended
    drawn(78).save(summer / "0002.png")  # another picture
    os.utime(summer / "0004.png", ns=(1, 1))  # another time
    (summer / "0006.png").unlink()
    drawn(79).save(summer / "0007.png")  # new
    seen = counted(monkeypatch)
    summary = scan(folder, found, tmp_path / "out", options)
    changed = [f"shirts/summer/{number}.png" for number in ("0002", "0004", "0007", "0018")]
    late = [f"shoes/{number:04d}.png" for number in range(13, 20, 2)]
    assert seen == changed + late
    assert (summary.scanned, summary.resumed, summary.errors) == (20, 12, 0)
    scan(folder, found, tmp_path / "anew", options)
    rows, expected = (table(tmp_path / name / "verdicts.tsv") for name in ("out", "anew"))
    assert [row["name"] for row in rows] == [row["name"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert float(row["score"]) == pytest.approx(float(other["score"]), abs=1e-5)


def test_killed_again_while_it_goes_on(
    folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, options, out = Guard.load(kept), Options(batch_size=6, workers=2), tmp_path / "out"
    interrupted(folder, found, out, 4, options)
    interrupted(folder, found, out, 2, options)  # before all of the first was taken over
    interrupted(folder, found, out, 5, options)
    seen = counted(monkeypatch)
    summary = scan(folder, found, out, options)
    assert summary.resumed == 30
    assert len(seen) == 10
    scan(folder, found, tmp_path / "whole", options)
    assert (out / "verdicts.tsv").read_bytes() == (tmp_path / "whole" / "verdicts.tsv").read_bytes()


@pytest.mark.parametrize("change", ["guard", "batch", "cleaned", "folder", "damaged", "version"])
def test_what_another_scan_left_is_not_taken(
    change: str, folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, options = Guard.load(kept), Options(batch_size=6)
    interrupted(folder, found, tmp_path / "out", 3, options)
    journal = tmp_path / "out" / ".verdicts.partial"
    if change == "guard":
        found = guard("plain")
        found.save(tmp_path / "guard")
    elif change == "batch":
        options = Options(batch_size=5)
    elif change == "cleaned":
        options = Options(batch_size=6, cleaned=tmp_path / "clean")
    elif change == "folder":
        folder = shop(tmp_path / "shop", 40)
    elif change == "version":
        monkeypatch.setattr(scanning, "__version__", "9")
    else:
        lines = journal.read_text("ascii").splitlines(keepends=True)
        journal.write_text(lines[0] + "[[1]]\n" + lines[2], "ascii")
    assert scan(folder, found, tmp_path / "out", options).resumed == 0


def test_another_threshold_and_format_take_it(folder: Path, kept: Path, tmp_path: Path) -> None:
    found = Guard.load(kept)
    interrupted(folder, found, tmp_path / "out", 3, Options(batch_size=6))
    options = Options(("json",), threshold=-1.0, batch_size=6)
    summary = scan(folder, found, tmp_path / "out", options)
    assert summary.resumed == 18
    said = json.loads((tmp_path / "out" / "verdicts.json").read_text("utf-8"))
    assert said["threshold"] == -1.0
    assert summary.flagged == said["flagged"] == 40


def test_a_finished_scan_begins_anew(folder: Path, kept: Path, tmp_path: Path) -> None:
    found = Guard.load(kept)
    for _ in range(2):
        assert scan(folder, found, tmp_path).resumed == 0


def test_two_scans_into_one_folder(folder: Path, kept: Path, tmp_path: Path) -> None:
    with (tmp_path / ".verdicts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another scan writes here; name another --output"):
            scan(folder, Guard.load(kept), tmp_path)


def test_the_journal_holds_nothing_in_memory(tmp_path: Path) -> None:
    """Names come back in the folder's order, one at a time, past those that are gone."""
    names = [f"a/{number:05d}.png" for number in range(100)] + ["a.png", "b.png"]
    first = Journal(tmp_path, {"k": 1})
    assert not first.resumed
    first.add([Entry(name, 1, 2, 0.5, None) for name in names[:60]])
    first.add([Entry(name, 1, 2, None, "bad") for name in names[60:]])
    first.close()
    second = Journal(tmp_path, {"k": 1})
    assert second.resumed
    found = [second.known(Found("", name, 1, 2)) for name in [*names[5:50:7], "a.png", "a.webp"]]
    assert [each and each.name for each in found] == [*names[5:50:7], "a.png", None]
    second.close()
    third = Journal(tmp_path, {"k": 1})  # the second kept nothing, so the first's is still there
    assert third.known(Found("", names[70], 1, 2)) == Entry(names[70], 1, 2, None, "bad")
    assert third.known(Found("", names[71], 2, 2)) is None
    third.close()


def test_a_summary_counts_only_what_was_scanned_now(tmp_path: Path) -> None:
    said = Summary(1200, 3, 2, 0, 200, 10.0, [tmp_path / "verdicts.tsv"]).told()
    assert said.startswith("1,200 pictures, 3 flagged, 2 with an error; 100.0 pictures a second; verdicts: ")


def test_links_in_the_output_are_not_followed(tmp_path: Path) -> None:
    from elliot_advrec.errors import UserError
    from elliot_advrec.files import held
    from elliot_advrec.guards.journal import Journal

    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    (tmp_path / ".lock").symlink_to(victim)
    with pytest.raises(UserError), held(tmp_path, ".lock", "taken"):
        pass
    (tmp_path / ".verdicts.partial.new").symlink_to(victim)
    journal = Journal(tmp_path, {})
    journal.close()
    assert victim.read_text("utf-8") == "precious"
