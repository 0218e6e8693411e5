"""Calls of the ``elliot`` command for tests, some of them in processes that kill themselves."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Called:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def call() -> int:
    """The exit code of ``main()``."""
    from elliot_advrec.cli import main

    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


@dataclass(frozen=True)
class Kill:
    """The process ends by SIGKILL, as ``kill -9`` or a power cut would end it.

    Attributes:
        kind: kind of the stage that it dies in.
        moment: ``begin``: nothing is done yet; ``report 3``: at the third report of progress; ``end``: all
            files are written; ``commit``: the record is written as well.
        after: how many stages of that kind go well first.
    """

    kind: str
    moment: str
    after: int = 0


@dataclass(frozen=True)
class Fill:
    """The disk fills up just before a stage.

    Attributes:
        kind: kind of that stage.
        disk: where ``ballast`` is written.
        left: bytes that stay free.
    """

    kind: str
    disk: Path
    left: int


@dataclass(frozen=True)
class KillScan:
    """`elliot guard scan` ends by SIGKILL.

    Attributes:
        after: how many batches are written into its journal first.
        torn: whether it dies in the middle of a line of the journal.
    """

    after: int
    torn: bool = False


Fault = Kill | Fill | KillScan


def start(arguments: Sequence[object], log: Path, fault: Fault | None = None) -> BaseProcess:
    """``elliot`` with ``arguments`` in a process of its own, which writes what it says to ``log``.

    The processes are forked from one that has imported everything and run nothing, so each starts at once.
    ``fault`` is what befalls it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["imported"])
    # The server that forks does not get this process's sys.path before Python 3.13.
    here = Path(__file__).resolve().parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent)])
    process = context.Process(target=_child, args=([str(a) for a in arguments], str(log), fault))
    process.start()
    return process


def _child(arguments: list[str], log: str, fault: Fault | None) -> None:
    with Path(log).open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    if isinstance(fault, Kill):
        _kill(fault)
    if isinstance(fault, Fill):
        _fill(fault)
    if isinstance(fault, KillScan):
        _kill_scan(fault)
    sys.argv = ["elliot", *arguments]
    sys.exit(call())


def _kill(fault: Kill) -> None:
    from elliot_advrec.experiment import runner, store

    work, write_json, left = runner.WORK[fault.kind], store.write_json, fault.after

    def write_and_die(path: Path, value: Any) -> None:
        write_json(path, value)
        _die()

    def dying(workspace: Any, stage: Any, folder: Path, progress: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            return work(workspace, stage, folder, progress)
        if fault.moment == "begin":
            _die()
        fuse = int(fault.moment.removeprefix("report ")) if fault.moment.startswith("report ") else 0
        outcome = work(workspace, stage, folder, _Fuse(progress, fuse) if fuse else progress)
        if fault.moment == "commit":
            store.write_json = write_and_die
            return outcome
        return _die()

    runner.WORK[fault.kind] = dying


def _kill_scan(fault: KillScan) -> None:
    from elliot_advrec.guards.journal import Journal

    write, left = Journal._write, fault.after + 1  # the first line is the key

    def dying(self: Journal, line: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            if fault.torn:
                self._stream.write(line[: len(line) // 2])
                self._stream.flush()
            _die()
        write(self, line)

    Journal._write = dying  # type: ignore[method-assign]


def _fill(fault: Fill) -> None:
    from elliot_advrec.experiment import runner

    work = runner.WORK[fault.kind]

    def cramped(*given: Any) -> Any:
        room = os.statvfs(fault.disk)
        with (fault.disk / "ballast").open("wb") as stream:
            stream.write(bytes(room.f_bavail * room.f_frsize - fault.left))
        return work(*given)

    runner.WORK[fault.kind] = cramped


class _Fuse:
    """A progress that dies at one of its reports, counted from one."""

    def __init__(self, inner: Any, last: int) -> None:
        self.inner, self.left = inner, last

    def say(self, message: str) -> None:
        self.inner.say(message)

    def detail(self, message: str) -> None:
        self.inner.detail(message)

    def track(self, description: str, total: int) -> AbstractContextManager[Advance]:
        return self._track()

    @contextmanager
    def _track(self) -> Iterator[Advance]:
        def advance(units: int) -> None:
            self.left -= 1
            if self.left == 0:
                _die()

        yield advance


def _die() -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
