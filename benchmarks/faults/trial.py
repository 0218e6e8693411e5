"""One trial after the other, each judged: it survived, it ended in a clean error, or it is lost."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.errors import UserError

SECONDS = 60
"""A trial that takes longer hangs."""
MEMORY = 4 << 30
"""Bytes of resident memory that no trial may reach."""
PATIENCE = 3 * SECONDS
"""After so many seconds in a library that no signal interrupts, the whole campaign ends with a dump."""


class Hang(BaseException):
    """The trial's time is up; no ``except Exception`` of what is tried catches it."""


class Wrong(Exception):  # noqa: N818
    """What is tried did not fail, and yet did what it must not, e.g. left half a file."""


@dataclass
class Tally:
    """The account of one kind of fault.

    Attributes:
        kind: its name.
        tried: how many trials there were.
        clean: how many of them ended in one sentence.
        survived: how many went on as if nothing were wrong.
        lost: number and story of each of the others.
    """

    kind: str
    tried: int = 0
    clean: int = 0
    survived: int = 0
    lost: list[tuple[int, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        lost = [{"number": number, "what": what} for number, what in self.lost]
        return {
            "kind": self.kind,
            "tried": self.tried,
            "clean_errors": self.clean,
            "survived": self.survived,
            "lost": len(self.lost),
            "stories": lost,
        }


@dataclass(frozen=True)
class Trials:
    """Which trials there are to be.

    Args:
        seed: decides all of them.
        count: how many; they are numbered from 0.
        only: the number of the one to repeat; None: all.
    """

    seed: int
    count: int
    only: int | None = None

    def numbers(self) -> range:
        return range(self.count) if self.only is None else range(self.only, self.only + 1)

    def random(self, kind: str, number: int) -> random.Random:
        """The source of chance of one trial, the same whichever others there are."""
        return random.Random(f"{self.seed} {kind} {number}")


def attempt(tally: Tally, number: int, work: Callable[[], object]) -> None:
    """Do ``work`` and enter what became of it."""
    tally.tried += 1
    try:
        with watched():
            work()
        tally.survived += 1
    except (UserError, BadImage) as error:
        if "\n" in str(error):
            tally.lost.append((number, f"more than one sentence: {error}"))
        else:
            tally.clean += 1
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        tally.lost.append((number, f"{type(error).__name__}: {error}"[:600]))


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """A block that may take a minute and 4 GB.

    Raises:
        Hang: it takes longer.
        Wrong: it took more memory.
    """
    _forget_peak()
    before = signal.signal(signal.SIGALRM, _ring)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
        peak = _peak()
        if peak > MEMORY:
            gc.collect()
            raise Wrong(f"{peak / 1e9:.1f} GB of memory")


def _ring(number: int, frame: FrameType | None) -> None:
    raise Hang(f"more than {SECONDS} s")


def _forget_peak() -> None:
    """The kernel's record of the highest resident memory begins anew, where it can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Highest resident memory in bytes since then; 0 where the kernel does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
