from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Called

from elliot_advrec.runlog import NAME

Refused = Callable[..., str]


@pytest.fixture
def refused(elliot: Callable[..., Called], tmp_path: Path) -> Refused:
    """Calls a command that must be refused: exit code 2, one sentence, nothing left; gives the sentence.

    ``out`` is the output folder: of it, only finished or empty stages may be left, and the log, which ends
    with the sentence.
    """

    def call(*arguments: object, out: Path | None = None) -> str:
        called = elliot(*arguments)
        assert called.code == 2, called
        lines = called.err.splitlines()
        # Progress, on standard error as well, stands before it.
        assert [line.startswith("error: ") for line in lines] == [False] * (len(lines) - 1) + [True], (
            called.err
        )
        assert "Traceback" not in called.err + called.out
        assert called.out == ""
        if out is not None and out.exists():
            left = [path for path in out.rglob("*") if path.is_file()]
            whole = [path for path in left if (path.parent / "stage.json").exists() or _inside(path)]
            log = out / NAME
            if log in left:  # a store that refuses comes after an output folder that does not
                assert log.read_text("utf-8").splitlines()[-1].endswith(lines[-1])
                left.remove(log)
            locks = [path for path in left if path.name.endswith(".lock")]
            assert set(left) == {*whole, *locks}, "half-written files"
        return lines[-1]

    return call


def _inside(path: Path) -> bool:
    """Whether a finished stage holds ``path`` in a folder of its own."""
    return any((parent / "stage.json").exists() for parent in path.parents) and os.path.isfile(path)
