"""Arrays on disk: numpy's own format, and never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.files import write_arrays

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
