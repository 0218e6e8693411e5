"""Pictures that kill the process which decodes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from elliot_advrec.data import decoding_workers
from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.decoding_workers import decode_chunks
from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Flat:
    """A picture of one grey level; 13 is bad, 100 and above kill the process."""

    level: int

    @property
    def path(self) -> str:
        return f"{self.level}.png"

    def load(self, size: int) -> np.ndarray:
        if self.level >= 100:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.level == 13:
            raise BadImage(self.path, "unlucky")
        return np.full((size, size, 3), self.level, np.uint8)


def test_the_deadly_ones_are_entered_and_the_others_decoded() -> None:
    levels = [[1, 2, 3], [], [4, 100, 13, 5], [6], [101, 7], [8]]
    chunks = ([Flat(level) for level in chunk] for chunk in levels)
    batches = list(decode_chunks(chunks, 8, workers=2, survive=True))
    assert [batch.start for batch in batches] == [0, 3, 3, 7, 8, 10]
    assert [batch.count for batch in batches] == [3, 0, 4, 1, 2, 1]
    good = [[level for level in chunk if level < 100 and level != 13] for chunk in levels]
    assert [batch.pixels[:, 0, 0, 0].tolist() for batch in batches] == good
    bad = {path: reason for batch in batches for _, path, reason in batch.bad}
    assert set(bad) == {"100.png", "13.png", "101.png"}
    assert "the process that decodes it dies" in bad["100.png"] == bad["101.png"]
    assert [offset for offset, _, _ in batches[2].bad] == [1, 2]


def test_otherwise_one_sentence_says_so() -> None:
    chunks = [[Flat(1)], [Flat(100)]]
    with pytest.raises(UserError, match="a process that decodes pictures died"):
        list(decode_chunks(chunks, 8, workers=1))


def test_chunks_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def chunks() -> object:
        for level in range(12):
            taken.append(level)
            yield [Flat(level)]

    batches = decode_chunks(chunks(), 8, workers=1)  # type: ignore[arg-type]
    next(batches)
    assert len(taken) == 2
    next(batches)
    assert len(taken) == 3
    batches.close()
    assert [batch.start for batch in decode_chunks(chunks(), 8)] == list(range(12))  # type: ignore[arg-type]


def test_a_script_without_a_guard_of_its_entry_is_told_so(tmp_path: Path) -> None:
    """Processes that die without a picture are no fault of the pictures."""
    script = tmp_path / "script.py"
    script.write_text(
        "from elliot_advrec.data.decoding_workers import decode_chunks\n"
        "from elliot_advrec.data.pictures import FilePicture\n"
        "print(list(decode_chunks([[FilePicture('a.png')]] * 3, 8, workers=1, survive=True)))\n"
    )
    where = Path(decoding_workers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(where)}
    )
    assert done.returncode == 1
    assert "a script without an 'if __name__ == \"__main__\"' guard" in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_workers_import_no_torch() -> None:
    """It would cost each of them seconds."""
    code = (
        "import sys; import elliot_advrec.data.decoding_workers, elliot_advrec.data.finding;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
