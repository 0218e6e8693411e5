"""No crash has the exit code of a finding: 1 is a scan's that flagged something, and nothing else's."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import Called

from elliot_advrec import listing
from elliot_advrec.errors import UserError

Elliot = Callable[..., Called]
NOTHING_READS = BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("no \x1b[2J\nscreen"), 2, r"error: no \\x1b\[2J\\nscreen"),
        (KeyError("gone"), 70, "a fault of elliot_advrec .* itself \\(KeyError: 'gone'\\); please report it"),
        (EOFError("short"), 70, "EOFError"),  # typer's own code for it is 1
        (RecursionError(), 70, "RecursionError"),
        (NOTHING_READS, 141, ""),
        (MemoryError(), 2, "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), 2, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 2, "not enough memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_how_a_command_ends(
    elliot: Elliot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int, words: str
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(listing, "sections", broken)
    called = elliot("list")
    assert called.code == code
    assert re.search(words, called.err)
    assert "Traceback" not in called.err + called.out
    said = called.err.replace("Aborted.", "").split()  # typer's own word for an EOFError
    assert said[:1] == ([] if code == 141 else ["error:"])
    kept = list(tmp_path.glob("elliot-fault-*.txt"))
    assert len(kept) == (code == 70)
    if kept:
        assert str(kept[0]) in called.err
        assert f"{type(error).__name__}" in kept[0].read_text("utf-8")


def test_a_fault_that_cannot_be_written_down_is_still_said(
    elliot: Elliot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr(listing, "sections", lambda: {}[0])
    called = elliot("list")
    assert (called.code, called.err.count("\n")) == (70, 1)
    assert "nothing could be written about it" in called.err
