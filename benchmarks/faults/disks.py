"""Disks that are full or cannot be written: one sentence, nothing by half, and room lets the run go on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.faults.command import finished
from benchmarks.faults.moments import attempt_long
from benchmarks.faults.smallest import Undisturbed
from benchmarks.faults.trial import Tally, Trials, Wrong
from elliot_advrec.errors import UserError


def any_room() -> None:
    """Begin with less room than a run is refused for, so that it meets the disk's end later."""
    from elliot_advrec.hosts import embedded

    embedded.LEAST_FREE = 0


def run(trials: Trials, folder: Path, whole: Undisturbed) -> Tally:
    """Output and store on a disk of a random size, then on a larger one; every fourth is made read-only.

    Needs a user who may mount; without, there are no trials.
    """
    tally = Tally("disks")
    disk, log = folder / "disk", folder / "disk.txt"
    disk.mkdir()
    needed = sum(path.stat().st_size for path in whole.output.rglob("*") if path.is_file())
    if not _mount(disk, "size=1m"):
        return tally
    _unmount(disk)
    for number in trials.numbers():
        chance = trials.random(tally.kind, number)
        size = max(64, int(chance.uniform(0, 1.1) * needed / 1024))
        store = chance.choice([[], ["--store", str(folder / "elsewhere")]])

        def cramped(number: int = number, size: int = size, store: list[str] = store) -> None:
            _mount(disk, f"size={size}k")
            refused = False
            try:
                if number % 4 == 3:
                    _remount(disk, "ro")
                try:
                    finished([*whole.arguments, "-o", disk / "out", *store], log, whole.limit, any_room)
                except UserError as error:
                    refused = True
                    if "full" not in str(error) and "cannot be written" not in str(error):
                        raise
                    left = [*disk.rglob("*.tmp")]
                    if left or (disk / "out" / "report.html").exists():
                        raise Wrong(f"left on the full disk: {left}") from error
                _remount(disk, f"rw,size={4 * needed // 1024 + 4_096}k")
                finished([*whole.arguments, "-o", disk / "out", *store], log, whole.limit, any_room)
                whole.same(disk / "out")
            finally:
                _unmount(disk)
                shutil.rmtree(folder / "elsewhere", ignore_errors=True)
            if refused:
                raise UserError("refused, and went on when there was room")

        attempt_long(tally, number, cramped)
    return tally


def _mount(disk: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    if shutil.which("mount") is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def _unmount(disk: Path) -> None:
    subprocess.run(["umount", "-l", str(disk)], check=True)
