"""How a command ends: its exit code, and the one sentence where something went wrong; never a traceback.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | done, and a scan flagged something |
| 2 | something that the user can mend |
| 70 | a fault of the program itself (``EX_SOFTWARE``); never taken for what a scan says of its pictures |
| 130 | stopped by Ctrl-C |
| 141 | nobody reads the output any more (128 and ``SIGPIPE``, as a shell has it) |
| 143 | stopped by ``kill``, or by a scheduler whose time is up (128 and ``SIGTERM``) |
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from elliot_advrec import __version__
from elliot_advrec.errors import AloneError, UserError, plain
from elliot_advrec.launch import launched, speaks

MENDABLE, FAULT, STOPPED, PIPE, TERMINATED = 2, 70, 130, 141, 143
MEMORY = ("out of memory", "can't allocate memory", "std::bad_alloc", "unable to allocate")


def end(app: typer.Typer) -> None:
    """Run ``app`` on the command line's arguments, and leave as the table above says."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    try:
        with _told_to_stop():
            app(standalone_mode=True)
    except UserError as error:
        _fail(str(error), MENDABLE, alone=isinstance(error, AloneError))
    except KeyboardInterrupt:
        _stopped()
    except SystemExit as leaving:
        # Typer catches Ctrl-C itself, and says nothing.
        if leaving.code in (STOPPED, TERMINATED):
            _stopped(int(leaving.code))
        # Typer leaves with 1 after some faults too: a pipe that broke, an EOFError.
        if leaving.code == 1 and not isinstance(leaving.__context__, typer.Exit):
            cause = leaving.__context__ or leaving
            _fault(cause.__cause__ or cause)
        raise
    except Exception as error:
        _fault(error)


def _fault(error: BaseException) -> NoReturn:
    if isinstance(error, BrokenPipeError):
        sys.exit(PIPE)
    if _short_of_memory(error):
        _fail("there is not enough memory; lower batch_size, size or workers", MENDABLE)
    first = str(error).split("\n", 1)[0][:200]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    _fail(f"a fault of elliot_advrec {__version__} itself ({what}){_kept(error)}", FAULT, alone=True)


def _short_of_memory(error: BaseException) -> bool:
    """Whether the machine, or its GPU, has no more memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in MEMORY)


def _kept(error: BaseException) -> str:
    """The traceback in a file of its own, for who mends the program, and its name as the sentence's end."""
    try:
        handle, path = tempfile.mkstemp(prefix="elliot-fault-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write("".join(traceback.format_exception(error)))
    except OSError:
        return "; nothing could be written about it"
    return f"; please report it with {path}"


def _fail(said: str, code: int, *, alone: bool = False) -> NoReturn:
    if alone or speaks():  # of several processes one speaks, unless it cannot know
        typer.echo(f"error: {plain(said)}", err=True)
    sys.exit(code)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Within the block SIGTERM leaves as Ctrl-C does, so that logs end and temporary files go."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(TERMINATED)

    if launched():  # one that waits for others would hear of it only when they answer, and must die at once
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stopped(code: int = STOPPED) -> NoReturn:
    typer.echo("stopped; run the same command again to go on from here", err=True)
    sys.exit(code)
