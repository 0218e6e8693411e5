"""Scans of whole folders: every picture gets its verdict, whatever batch, workers and order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Called
from pictures import BAD, UNUSUAL, drawn
from PIL import Image
from tiny_guards import SIZE, guard, saved, shop, table, unusual

from elliot_advrec.errors import UserError
from elliot_advrec.guards import Guard
from elliot_advrec.guards.scanning import Options, scan

Elliot = Callable[..., Called]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("guards") / "plain")


def scores(path: Path) -> dict[str, float | None]:
    return {row["name"]: float(row["score"]) if row["score"] else None for row in table(path)}


def test_a_scan_says_of_each_picture_what_the_guard_says(elliot: Elliot, kept: Path, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 70)
    called = elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path / "out", "--workers", 2)
    rows = table(tmp_path / "out" / "verdicts.tsv")
    names = [row["name"] for row in rows]
    assert names == sorted(names)
    assert set(names) == {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    checked = Guard.load(kept).check([folder / name for name in names], names=names)
    for row, verdict in zip(rows, checked, strict=True):
        assert float(row["score"]) == pytest.approx(verdict.score, abs=1e-5)
        assert float(row["threshold"]) == 0.05
        assert row["flagged"] == ("true" if float(row["score"]) > 0.05 else "false")
        assert row["error"] == ""
    flagged = sum(row["flagged"] == "true" for row in rows)
    assert 0 < flagged < 70
    assert called.code == 1
    assert called.out.startswith(
        f"70 pictures, {flagged} flagged, 0 with an error, 1 other files passed over;"
    )
    assert f"verdicts: {tmp_path / 'out' / 'verdicts.tsv'}" in called.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"verdicts.tsv", ".verdicts.lock"}


@pytest.mark.parametrize("kind", ["plain", "random"])
def test_neither_batch_nor_workers_matter(kind: str, tmp_path: Path) -> None:
    folder, found = unusual(shop(tmp_path / "shop", 30)), guard(kind)
    found.save(tmp_path / "guard")
    runs = {}
    for name, options in {
        "one": Options(batch_size=1),
        "all": Options(batch_size=100),
        "some": Options(batch_size=7, workers=2),
        "more": Options(batch_size=7, workers=1),
    }.items():
        scan(folder, found, tmp_path / name, options)
        runs[name] = table(tmp_path / name / "verdicts.tsv")
    for rows in runs.values():
        for row, other in zip(rows, runs["one"], strict=True):
            for column in ("name", "threshold", "flagged", "error"):
                assert row[column] == other[column]
            if row["score"]:
                assert float(row["score"]) == pytest.approx(float(other["score"]), abs=1e-5)
    whole, part = (tmp_path / name / "verdicts.tsv" for name in ("more", "some"))
    assert whole.read_bytes() == part.read_bytes()


def test_pictures_of_every_size_and_mode_in_one_scan(elliot: Elliot, kept: Path, tmp_path: Path) -> None:
    folder = unusual(tmp_path / "shop")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(folder / "pipe.png")
    called = elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path, "--threshold", "9")
    assert called.code == 0  # bad pictures are not flagged
    rows = {row["name"]: row for row in table(tmp_path / "verdicts.tsv")}
    expected = {name: "" for name in UNUSUAL} | {name: reason for name, (_, reason) in BAD.items()}
    expected |= {"gone.jpg": "no such file", "pipe.png": "not a regular file"}
    assert set(rows) == set(expected)
    for name, reason in expected.items():
        assert (reason in rows[name]["error"]) if reason else (rows[name]["error"] == "")
        assert bool(rows[name]["score"]) == (not reason)
        assert rows[name]["threshold"] == "9.0"
        assert rows[name]["flagged"] == "false"


def test_100_corrupt_among_1000(elliot: Elliot, kept: Path, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 900)
    for number in range(100):
        spoilt = folder / "shoes" / f"{number:03d}.jpg"
        drawn(number).save(spoilt)
        data = spoilt.read_bytes()
        spoilt.write_bytes((data[: 40 + number], b"", data[:2] + bytes(number), b"GIF89a")[number % 4])
    called = elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path / "out", "--format", "json")
    assert called.code == 1
    assert "1,000 pictures, " in called.out
    assert ", 100 with an error" in called.out
    said = json.loads((tmp_path / "out" / "verdicts.json").read_text("utf-8"))
    assert said["format"] == "elliot_advrec verdicts 1"
    assert said["guard"] == Guard.load(kept).digest
    assert (said["scanned"], said["errors"], said["threshold"]) == (1000, 100, 0.05)
    bad = [each for each in said["verdicts"] if each["error"] is not None]
    assert len(bad) == 100
    assert all(each["score"] is None and not each["flagged"] for each in bad)
    assert all(each["name"].endswith(".jpg") for each in bad)
    assert said["flagged"] == sum(each["flagged"] for each in said["verdicts"]) > 0


@pytest.mark.parametrize("kind", ["random", "learned", "filter", "detector"])
def test_cleaned_pictures(kind: str, tmp_path: Path) -> None:
    folder, found = shop(tmp_path / "shop", 12), guard(kind)
    (folder / "bad.png").write_bytes(b"")
    drawn(5).save(folder / "0001.jpg")
    found.save(tmp_path / "guard")
    options = Options(forms=("tsv", "json"), cleaned=tmp_path / "clean", batch_size=5)
    summary = scan(folder, found, tmp_path / "out", options)
    names = [row["name"] for row in table(tmp_path / "out" / "verdicts.tsv") if not row["error"]]
    assert len(names) == summary.scanned - 1 == 13
    assert [path.name for path in summary.files] == ["verdicts.tsv", "verdicts.json"]
    written = {str(path.relative_to(tmp_path / "clean")) for path in (tmp_path / "clean").rglob("*.png")}
    assert written == {f"{name}.png" for name in names}
    for verdict in found.check([folder / name for name in names], names=names, cleaned=True):
        with Image.open(tmp_path / "clean" / f"{verdict.name}.png") as shown:
            assert shown.size == (SIZE, SIZE)
            difference = np.asarray(shown).astype(int) - np.asarray(verdict.cleaned)
        assert np.abs(difference).max() <= 1
    said = json.loads((tmp_path / "out" / "verdicts.json").read_text("utf-8"))
    assert said["threshold"] == found.threshold
    if kind == "filter":
        assert all(each["score"] is None and not each["flagged"] for each in said["verdicts"])


def test_cleaned_pictures_stay_in_their_folder(kept: Path, tmp_path: Path) -> None:
    folder, found = shop(tmp_path / "shop", 4), Guard.load(kept)
    for inside in (folder, folder / "clean", tmp_path):
        with pytest.raises(UserError, match="would lie among those that are scanned"):
            scan(folder, found, tmp_path / "out", Options(cleaned=inside))
    clean, elsewhere = tmp_path / "clean", tmp_path / "elsewhere"
    clean.mkdir()
    elsewhere.mkdir()
    (clean / "shirts").symlink_to(elsewhere)
    with pytest.raises(UserError, match="a link leads out of the folder of cleaned pictures"):
        scan(folder, found, tmp_path / "out", Options(cleaned=clean))
    assert not list(elsewhere.iterdir())


def test_a_name_that_cannot_be_cleaned_is_an_error_of_that_picture(kept: Path, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 2)
    drawn(1).save(folder / "a.jpg")
    (folder / "a.jpg.png").mkdir()
    drawn(2).save(folder / "a.jpg.png" / "b.png")
    long = "x" * 248 + ".png"
    drawn(3).save(folder / long)
    summary = scan(folder, Guard.load(kept), tmp_path / "out", Options(cleaned=tmp_path / "clean"))
    rows = {row["name"]: row for row in table(tmp_path / "out" / "verdicts.tsv")}
    assert summary.scanned == 5
    # The picture comes first, the folder of its cleaned name after it; both are judged.
    assert {name for name, row in rows.items() if row["error"]} == {"a.jpg.png/b.png", long}
    assert summary.errors == 2
    for row in rows.values():
        assert row["score"]
        assert not row["error"] or row["error"].startswith("its cleaned picture cannot be written (")


def test_odd_names_links_and_hidden_files(kept: Path, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 2)
    odd = ["a\tb.png", "a\nb\r.png", "back\\slash.png", "\x1b[31m.png", "größe \u2028.png", "UPPER.PNG"]
    for name in odd:
        drawn(1).save(folder / name, "PNG")
    broken = os.fsdecode(b"caf\xe9.png")
    drawn(1).save(folder / "c.png")
    (folder / "c.png").rename(folder / broken)
    (folder / "shoes" / "round").symlink_to(folder)  # a circle
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "named.png").mkdir()
    (folder / "inside.png").symlink_to("UPPER.PNG")
    outside = tmp_path / "secret.png"
    drawn(9).save(outside)
    (folder / "outside.png").symlink_to(outside)
    found = guard("random")
    found.save(tmp_path / "guard")
    options = Options(forms=("tsv", "json"), cleaned=tmp_path / "clean")
    summary = scan(folder, found, tmp_path / "out", options)
    text = (tmp_path / "out" / "verdicts.tsv").read_text("utf-8")
    rows = {row["name"]: row for row in table(tmp_path / "out" / "verdicts.tsv")}
    assert len(text.splitlines()) == 12
    assert "\x1b" not in text
    assert set(rows) == {
        r"a\tb.png",
        r"a\nb\r.png",
        r"back\\slash.png",
        r"\u001b[31m.png",
        r"größe \u2028.png",
        "UPPER.PNG",
        r"caf\xe9.png",
        "inside.png",
        "outside.png",
        "shirts/summer/0000.png",
        "shoes/0001.png",
    }
    assert rows["outside.png"]["error"] == "the link leads out of the folder"
    assert summary.errors == 1
    assert summary.ignored == 3  # notes.txt, the hidden one, the link to a folder
    said = json.loads((tmp_path / "out" / "verdicts.json").read_text("utf-8"))
    assert {each["name"] for each in said["verdicts"]} >= {*odd, broken}
    assert (tmp_path / "clean" / f"{broken}.png").is_file()
    assert not (tmp_path / "clean" / "outside.png.png").exists()


def test_a_folder_that_cannot_be_read_is_said(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scandir = shop(tmp_path / "shop", 4), os.scandir

    def forbidden(path: str) -> object:
        if str(path).endswith("shoes"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    summary = scan(folder, Guard.load(kept), tmp_path / "out")
    rows = {row["name"]: row["error"] for row in table(tmp_path / "out" / "verdicts.tsv")}
    assert rows.pop("shoes") == "the folder cannot be read (Permission denied)"
    assert summary.errors == 1
    assert len(rows) == 2
    with pytest.raises(UserError, match=r"shoes: cannot be read \(Permission denied\)"):
        scan(folder / "shoes", Guard.load(kept), tmp_path / "out")


def test_a_limit_takes_the_first(elliot: Elliot, kept: Path, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 12)
    elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path / "all", "-q")
    called = elliot("guard", "scan", folder, "--guard", kept, "-o", tmp_path / "few", "--limit", 5, "-q")
    assert called.out == called.err == ""
    few, whole = (table(tmp_path / name / "verdicts.tsv") for name in ("few", "all"))
    assert [row["name"] for row in few] == [row["name"] for row in whole[:5]]


def test_what_a_command_is_refused_for(elliot: Elliot, kept: Path, tmp_path: Path) -> None:
    folder, empty = shop(tmp_path / "shop", 2), tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("x")
    other = saved(tmp_path / "other", "filter")
    (tmp_path / "file").write_text("x")
    newer = saved(tmp_path / "newer", "filter")
    record = json.loads((newer / "guard.json").read_text("utf-8"))
    (newer / "guard.json").write_text(json.dumps({**record, "format": "elliot_advrec guard 2"}), "utf-8")
    refused = [
        ((empty, kept), "no pictures in this folder (1 other files and links); name a folder with JPEG"),
        ((tmp_path / "none", kept), "none: no such folder; name a folder of pictures"),
        ((tmp_path / "file", kept), "is a file, not a folder"),
        ((folder, tmp_path / "none"), "there is no guard; name a folder that `elliot guard fit` wrote"),
        ((folder, empty), "is not a guard"),
        ((folder, newer), "format 'elliot_advrec guard 2', this version reads"),
        ((folder, other), "has no detector: it cleans pictures and flags none; name --cleaned DIR"),
        ((folder, other, "--cleaned", tmp_path / "clean", "--threshold", "1"), "and no --threshold"),
        ((folder, kept, "--format", "csv"), "unknown format 'csv'; did you mean 'tsv'?"),
        ((folder, kept, "--threshold", "nan"), "a threshold of nan flags all or nothing"),
        ((folder, kept, "--device", "cuda:99"), "device 'cuda:99' is not there"),
        ((folder, kept, "-o", tmp_path / "file"), "the output is a file, not a folder"),
        ((folder, kept, "--cleaned", tmp_path / "file"), "file: cannot be written"),
    ]
    for (place, guarded, *more), words in refused:
        output = [] if "-o" in more else ["-o", tmp_path / "out"]
        called = elliot("guard", "scan", place, "--guard", guarded, "-q", *output, *more)
        assert called.code == 2, words
        assert called.err.startswith("error: ")
        assert called.err.count("\n") == 1
        assert words in called.err
    assert not list(tmp_path.glob("out/verdicts*"))
    with pytest.raises(ValueError, match="save the guard first"):
        scan(folder, guard("plain"), tmp_path / "out")


def test_a_full_disk_is_one_sentence_and_room_lets_it_go_on(
    elliot: Elliot, kept: Path, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    folder, disk = shop(tmp_path / "shop", 20), small_disk(3000)
    arguments = ["guard", "scan", folder, "--guard", kept, "-q", "--batch-size", 4]
    (disk / "ballast").write_bytes(bytes(1_500_000))
    called = elliot(*arguments, "-o", tmp_path / "out", "--cleaned", disk / "clean")
    assert called.code in (0, 1), called.err
    # Room for the journal, none for the cleaned pictures.
    (disk / "ballast").unlink()
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - 8192))
    called = elliot(*arguments, "-o", tmp_path / "more", "--cleaned", disk / "again")
    assert called.code == 2
    assert called.err.count("\n") == 1
    assert f"{disk / 'again'}" in called.err
    assert "the disk is full; free space, or name another --output" in called.err
    (disk / "ballast").unlink()
    assert elliot(*arguments, "-o", tmp_path / "more", "--cleaned", disk / "again").code in (0, 1)
    one, other = (tmp_path / name / "verdicts.tsv" for name in ("out", "more"))
    assert one.read_bytes() == other.read_bytes()
