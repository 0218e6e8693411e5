"""Peaks of resident memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elliot_advrec import memory

MIB = 1 << 20


def touched(mib: int) -> int:
    return int(np.ones(mib * MIB, dtype=np.uint8).sum())


def test_the_peak_of_a_process_never_falls() -> None:
    touched(400)
    before = memory.peak_mb()
    memory.Watermark()  # forgets, and the whole does not
    assert memory.peak_mb() >= before > 400


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no watermark that can be reset here")
def test_a_watermark_forgets_what_came_before_it() -> None:
    first = memory.Watermark()
    touched(400)
    high = first.mb()
    second = memory.Watermark()
    low = second.mb()
    assert high is not None
    assert low is not None
    assert high - low > 200


def test_where_no_watermark_can_be_reset_there_is_no_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "none" / "clear_refs")
    assert memory.Watermark().mb() is None
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert memory.Watermark().mb() is None
