"""The ``elliot`` command, in this process or in one of its own that may be killed."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.faults.trial import Wrong
from elliot_advrec.errors import UserError

Setup = Callable[[], None]
"""Something done in a process of its own before the command begins; a module's function, to be pickled."""


def called(*arguments: object) -> str:
    """Call ``elliot`` in this process, quietly; what it printed.

    Raises:
        UserError: it ended in one sentence and exit code 2.
        Wrong: it ended in any other way but well, or said more than that sentence.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _exit(arguments)
    judge(code, err.getvalue(), err.getvalue() + out.getvalue())
    return out.getvalue()


def judge(code: int | None, error: str, said: str) -> None:
    """What an exit code and what was said mean; see ``called``."""
    if "Traceback" in said or "\x1b" in said:
        raise Wrong(f"exit code {code}: {said[-400:]}")
    if code == 0:
        return
    last = error.rstrip("\n").rsplit("\n", 1)[-1]
    if code != 2 or not last.startswith("error: ") or "not enough memory" in last:
        raise Wrong(f"exit code {code}: {said[-400:]}")
    raise UserError(last.removeprefix("error: "))


def _exit(arguments: Sequence[object]) -> int:
    from elliot_advrec.cli import main

    before, sys.argv = sys.argv, ["elliot", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return 0


def start(arguments: Sequence[object], log: Path, setup: Setup | None = None) -> BaseProcess:
    """``elliot`` in a process of its own, which begins at once and writes what it says to ``log``.

    Processes are forked from one that has imported everything and run nothing: as a fresh ``elliot`` is, but
    without the seconds that its imports take, which no fault may fall into usefully.
    """
    root = str(Path(__file__).resolve().parents[2])
    if root not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.faults.imported"])
    process = context.Process(target=_child, args=([str(a) for a in arguments], str(log), setup))
    process.start()
    return process


def finished(arguments: Sequence[object], log: Path, seconds: float, setup: Setup | None = None) -> None:
    """``start``, wait, and judge as ``called`` does.

    Raises:
        UserError: a clean end with an error.
        Wrong: any other end, or none in ``seconds``.
    """
    log.unlink(missing_ok=True)
    process = start(arguments, log, setup)
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise Wrong(f"not done after {seconds} s: {log.read_text()[-300:]}")
    said = log.read_text("utf-8", errors="replace")
    judge(process.exitcode, said, said)


def _child(arguments: list[str], log: str, setup: Setup | None) -> None:
    with Path(log).open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    if setup is not None:
        setup()
    code = _exit(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
