"""Arrays on disk: numpy's own format, and never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.files import read_array, read_arrays, write_arrays

ARRAYS = {
    "image": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "names": np.array(["a", "übung"]),
    "fortran": np.asfortranarray(np.linspace(0.0, 1.0, 6).reshape(2, 3)),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "scalar": np.array('{"k": 1}'),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_and_the_bytes_are_numpys(tmp_path: Path, compressed: bool) -> None:
    write_arrays(tmp_path / "ours.npz", ARRAYS, compressed=compressed)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "numpys.npz", **ARRAYS)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "numpys.npz").read_bytes()
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as found:
        assert set(found.files) == set(ARRAYS)
        for name, expected in ARRAYS.items():
            np.testing.assert_array_equal(found[name], expected, strict=True)


def test_objects_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a.npz", {"good": np.zeros(3), "bad": np.array([{}, None], dtype=object)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_a_value_error_and_nothing_else(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, ARRAYS, compressed=compressed)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        for data in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]):
            path.write_bytes(data)
            try:
                found = read_arrays(path)
            except (OSError, ValueError):
                continue
            for name in found.keys() & ARRAYS.keys():
                np.testing.assert_array_equal(found[name], ARRAYS[name])


def test_one_array_is_no_archive_and_an_archive_is_no_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["image"])
    write_arrays(tmp_path / "b.npz", ARRAYS)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy", mapped=True), ARRAYS["image"])
    assert read_arrays(tmp_path / "b.npz").keys() == ARRAYS.keys()
    with pytest.raises(ValueError, match="one array, not an archive"):
        read_arrays(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="an archive, not one array"):
        read_array(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        read_array(tmp_path / "c.npy")


def test_an_array_that_announces_more_than_there_is(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 46,)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(ValueError):
        read_array(tmp_path / "a.npy")
