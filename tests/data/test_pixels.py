"""Decoding a whole catalog: rows stay with their items, bad pictures are listed, memory stays flat."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pictures import Deadly, Flat, Noise
from PIL import Image

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.decoding_workers import decode_all
from elliot_advrec.data.pictures import FilePicture
from elliot_advrec.data.pixel_file import PixelFile, Rows
from elliot_advrec.data.pixels import prepare, reopen
from elliot_advrec.errors import UserError


def catalog(pictures: list) -> Catalog:
    n = len(pictures)
    settings: dict = {"ids": [f"i{row}" for row in range(n)], "category": np.full(n, -1), "categories": []}
    settings |= {"attributes": None, "attribute_names": [], "split": np.full(n, "train")}
    return Catalog(**settings, pictures=pictures)


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_follow_the_catalog(tmp_path: Path, workers: int) -> None:
    values = [value if value % 7 else -value - 1 for value in range(100)]
    kept, pixels, skipped = prepare(catalog([Flat(v) for v in values]), 8, tmp_path, workers=workers)
    good = [value for value in values if value >= 0]
    assert len(pixels) == len(kept) == len(good)
    assert kept.ids == [f"i{value}" for value in good]
    assert pixels.bytes(range(len(good)))[:, 0, 0, 0].tolist() == good
    assert [entry.id for entry in skipped] == [f"i{row}" for row in range(0, 100, 7)]
    assert (skipped[1].path, skipped[1].reason) == ("flat-8.png", "the file is empty")
    assert "15 of 100 items were dropped" in kept.notes[0]
    assert "'i0', flat-1.png: the file is empty" in kept.notes[0]
    assert sorted(os.listdir(tmp_path)) == ["catalog.json", "catalog.npz", "pixels.bin", "pixels.json"]


def test_channels_come_first_and_floats_reach_both_ends(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[1, 2] = (255, 128, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    _, pixels, _ = prepare(catalog([FilePicture(str(tmp_path / "a.png"))]), 8, tmp_path / "out")
    floats = pixels.floats([0])
    assert floats.dtype == torch.float32
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert floats[0, :, 1, 2].tolist() == [1.0, pytest.approx(128 / 255), 0.0]
    assert pixels.bytes([0])[0, :, 1, 2].tolist() == [255, 128, 0]


@pytest.mark.parametrize(
    "rows", [[], [3], [0, 1, 2, 3], [3, 2, 1], [5, 5, 6, 0, 6], list(range(8)), torch.arange(2, 5)]
)
def test_any_rows_in_any_order(tmp_path: Path, rows: Rows) -> None:
    _, pixels, _ = prepare(catalog([Noise(row) for row in range(8)]), 8, tmp_path)
    whole = torch.stack([torch.from_numpy(Noise(row).load(8)).permute(2, 0, 1) for row in range(8)])
    assert torch.equal(pixels.bytes(rows), whole[[int(row) for row in rows]])
    assert pixels.floats(rows).shape == (len(rows), 3, 8, 8)


def test_rows_out_of_range_and_masks_are_refused(tmp_path: Path) -> None:
    _, pixels, _ = prepare(catalog([Flat(1), Flat(2)]), 8, tmp_path)
    with pytest.raises(IndexError, match=r"rows must lie in \[0, 2\), got -1\.\.0"):
        pixels.bytes([0, -1])
    with pytest.raises(IndexError, match=r"got 2\.\.2"):
        pixels.bytes([2])
    with pytest.raises(TypeError, match="rows must be whole numbers, got bool"):
        pixels.bytes(np.array([True, False]))


def test_pickled_and_reopened(tmp_path: Path) -> None:
    kept, pixels, skipped = prepare(catalog([Flat(1), Flat(-1), Flat(3)]), 8, tmp_path)
    pixels.bytes([0])
    assert pickle.loads(pickle.dumps(pixels)).bytes([1])[0, 0, 0, 0] == 3
    again, file, left_out = reopen(tmp_path)
    assert (again.ids, again.notes, left_out) == (kept.ids, kept.notes, skipped)
    assert torch.equal(file.bytes([0, 1]), pixels.bytes([0, 1]))


def test_cut_off_pixel_file(tmp_path: Path) -> None:
    _, pixels, _ = prepare(catalog([Flat(1), Flat(2)]), 8, tmp_path)
    os.truncate(tmp_path / "pixels.bin", 300)
    with pytest.raises(UserError, match="holds 300 bytes, 2 pictures of 8 x 8 take 384"):
        PixelFile(tmp_path / "pixels.bin", 8, 2)
    with pytest.raises(UserError, match="got shorter while it was read"):
        pixels.bytes([1])
    with pytest.raises(UserError, match="the pixel file cannot be read"):
        PixelFile(tmp_path / "none.bin", 8, 2)


def test_reopen_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the prepared pictures cannot be read"):
        reopen(tmp_path)
    prepare(catalog([Flat(1), Flat(2)]), 8, tmp_path)
    header = json.loads((tmp_path / "pixels.json").read_text())
    (tmp_path / "pixels.json").write_text(json.dumps({**header, "count": 3}))
    with pytest.raises(UserError, match="the catalog has 2 items, the pixel file 3"):
        reopen(tmp_path)


def test_strict_names_the_first_and_how_many(tmp_path: Path) -> None:
    pictures = [Flat(1), Flat(-2), Flat(3), Flat(-4), Flat(5)]
    with pytest.raises(UserError, match=r"flat-2\.png: .*strict is set: the file is empty \(2 bad of 5\)"):
        prepare(catalog(pictures), 8, tmp_path, strict=True)
    assert os.listdir(tmp_path) == []


def test_more_than_half_bad(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"more than half of the pictures .*\(3 bad of 5\)"):
        prepare(catalog([Flat(-1), Flat(-2), Flat(-3), Flat(4), Flat(5)]), 8, tmp_path)
    assert len(prepare(catalog([Flat(-1), Flat(2)]), 8, tmp_path)[1]) == 1


def test_a_failed_run_leaves_no_claim_of_an_earlier_one(tmp_path: Path) -> None:
    prepare(catalog([Flat(1), Flat(2)]), 8, tmp_path)
    with pytest.raises(UserError, match="more than half"):
        prepare(catalog([Flat(-1), Flat(-2)]), 8, tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        reopen(tmp_path)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the catalog has no items"):
        prepare(catalog([]), 8, tmp_path)
    with pytest.raises(UserError, match="at least 8 pixels a side, got 4"):
        prepare(catalog([Flat(1)]), 4, tmp_path)
    with pytest.raises(UserError, match="no pictures to decode"):
        prepare(replace(catalog([Flat(1)]), pictures=[]), 8, tmp_path)
    with pytest.raises(UserError, match="MB free"):
        prepare(catalog([Flat(1)]), 2**30, tmp_path)


def test_a_picture_of_the_wrong_shape_is_a_mistake_of_its_author(tmp_path: Path) -> None:
    class Wrong:
        def load(self, size: int) -> np.ndarray:
            return np.zeros((size, size), np.uint8)

    with pytest.raises(ValueError, match=r"Wrong\.load must give \(8, 8, 3\) uint8, got \(8, 8\) uint8"):
        prepare(catalog([Wrong()]), 8, tmp_path)


def test_a_worker_that_dies(tmp_path: Path) -> None:
    pictures = [Deadly() if row == 40 else Flat(1) for row in range(64)]
    with pytest.raises(UserError, match="a process that decodes pictures died"):
        prepare(catalog(pictures), 8, tmp_path, workers=1)
    assert os.listdir(tmp_path) == []


def test_memory_grows_with_the_batch_only(tmp_path: Path) -> None:
    peaks = []
    for n in (320, 1280):
        tracemalloc.start()
        _, pixels, _ = prepare(catalog([Flat(1)] * n), 32, tmp_path / str(n))
        for row in range(0, n, 32):
            pixels.bytes(range(row, row + 32))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 960 further pictures are 2.9 MB of pixels.
    assert peaks[1] - peaks[0] < 0.9e6


def test_decoding_goes_batch_by_batch() -> None:
    batches = list(decode_all([Flat(row) for row in range(70)], 8))
    assert [(batch.start, batch.count) for batch in batches] == [(0, 32), (32, 32), (64, 6)]
    assert all(len(batch.hashes) == 0 for batch in batches)


def test_duplicates_go_and_rows_stay_together(tmp_path: Path) -> None:
    seeds = [1, 2, 1, 3, 2, 4]
    full = replace(catalog([Noise(seed) for seed in seeds]), duplicate_distance=2)
    kept, pixels, skipped = prepare(full, 32, tmp_path)
    assert kept.ids == ["i0", "i1", "i3", "i5"]
    assert not skipped
    for row, seed in enumerate([1, 2, 3, 4]):
        assert torch.equal(pixels.bytes([row])[0], torch.from_numpy(Noise(seed).load(32)).permute(2, 0, 1))
    assert kept.notes == [
        "2 of 6 items were dropped as near-duplicates of 2 earlier ones (perceptual hash)",
    ]
    assert json.loads((tmp_path / "pixels.json").read_text())["duplicates"] == {"i2": "i0", "i4": "i1"}
    assert len(prepare(replace(full, duplicate_distance=None), 32, tmp_path)[0]) == 6
