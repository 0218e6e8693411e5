"""Near-duplicates: against all pairs compared one by one, and on real changes of a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elliot_advrec.data.duplicates import find_duplicates, signature


def scene(seed: int, size: int = 64) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def naive(hashes: list[int], colours: np.ndarray, distance: int) -> list[int]:
    group: list[int] = []
    for row in range(len(hashes)):
        near = (
            first
            for first in range(row)
            if group[first] == first
            and (hashes[row] ^ hashes[first]).bit_count() <= distance
            and np.abs(colours[row].astype(int) - colours[first]).max() <= 12
        )
        group.append(next(near, row))
    return group


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 8) | st.just(16))
def test_agrees_with_comparing_all_pairs(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 6, dtype=np.uint64)
    flips = rng.integers(0, 64, (60, 9))
    hashes = []
    for row in range(60):
        value = int(centres[rng.integers(6)])
        for bit in flips[row, : rng.integers(0, 10)]:
            value ^= 1 << int(bit)
        hashes.append(value)
    colours = rng.choice([0, 10, 20, 200], (60, 1)).astype(np.uint8).repeat(3, 1)
    found = find_duplicates(np.array(hashes, np.uint64), colours, distance)
    assert found.group.tolist() == naive(hashes, colours, distance)
    assert found.kept.tolist() == [row for row, first in enumerate(found.group) if row == first]


def marks(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    signed = [signature(picture) for picture in pictures]
    return np.array([mark for mark, _ in signed], np.uint64), np.stack([colour for _, colour in signed])


def test_recompressed_and_resized_are_near_others_are_not() -> None:
    stream = io.BytesIO()
    Image.fromarray(scene(0)).save(stream, "JPEG", quality=60)
    recompressed = np.asarray(Image.open(stream))
    resized = np.asarray(Image.fromarray(scene(0)).resize((48, 48), Image.Resampling.LANCZOS))
    others = [scene(seed) for seed in range(1, 20)]
    found = find_duplicates(*marks([scene(0), *others, recompressed, resized]), 2)
    assert found.group.tolist() == [*range(20), 0, 0]
    assert found.pairs() == [(20, 0), (21, 0)]


def test_one_cut_in_two_colours_is_two_items() -> None:
    shape = scene(3)[..., :1].astype(float) / 255
    red, blue = (
        (shape * colour).astype(np.uint8) for colour in (np.array([250, 40, 40]), np.array([40, 97, 250]))
    )
    hashes, colours = marks([red, blue])
    assert (int(hashes[0]) ^ int(hashes[1])).bit_count() <= 2
    assert len(find_duplicates(hashes, colours, 2).kept) == 2


def test_first_in_order_is_kept_and_chains_do_not_creep() -> None:
    # 0 - 1 - 3 differ by one bit each: at distance 1, 3 is near the dropped 1 alone, so it stays.
    grey = np.zeros((3, 3), np.uint8)
    assert find_duplicates(np.array([0, 1, 3], np.uint64), grey, 1).group.tolist() == [0, 0, 2]
    assert find_duplicates(np.array([1, 0, 3], np.uint64), grey, 1).group.tolist() == [0, 0, 0]


def test_thousands_of_copies_are_one_entry() -> None:
    hashes = np.zeros(20_000, np.uint64)
    assert find_duplicates(hashes, np.zeros((20_000, 3), np.uint8), 4).kept.tolist() == [0]


def test_empty_and_refused() -> None:
    empty = find_duplicates(np.zeros(0, np.uint64), np.zeros((0, 3), np.uint8), 2)
    assert (len(empty.kept), empty.note()) == (0, None)
    with pytest.raises(ValueError, match=r"distance must lie in \[0, 16\], got 17"):
        find_duplicates(np.zeros(1, np.uint64), np.zeros((1, 3), np.uint8), 17)
