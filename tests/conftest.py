"""What every test may use: the ``elliot`` command, in this process or in one of its own.

Test folders are no packages: file names are unique, and helpers that several folders import lie here, beside
this file (pytest puts its folder on the path).
"""

from __future__ import annotations

import os

# Before torch is imported: one thread gives the same numbers on every machine, and leaves the others alone.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from commands import Called, call

# A machine that others work on is no fault of what is tested: no example is failed for its time.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

Elliot = Callable[..., Called]


@pytest.fixture
def elliot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Elliot]:
    """Calls ``main()`` with arguments; gives exit code, standard output and standard error."""

    def run(*arguments: object) -> Called:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["elliot", *map(str, arguments)])
        code = call()
        said = capsys.readouterr()
        return Called(code, said.out, said.err)

    shown = warnings.showwarning
    yield run
    logging.captureWarnings(False)  # main() switched it on
    warnings.showwarning = shown


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes disks of so many KiB; skips where this user may not mount one."""
    mounted: list[Path] = []

    def make(kib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if not sys.platform.startswith("linux") or shutil.which("mount") is None:
            pytest.skip("needs a Linux mount command to make a small disk")
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
