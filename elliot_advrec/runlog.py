"""The log of a run: all that it said, its details too, with dates, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elliot_advrec.errors import UserError, plain
from elliot_advrec.paced import clock, lines
from elliot_advrec.progress import Advance

NAME = "run.log"
"""In the output folder."""


class RunLog:
    """Adds dated lines to a file.

    Lines wait in memory until the file's folder is there, so that a run which is refused at once leaves no
    folder behind. A log that cannot be written stops no run: what fails then is what the run itself writes.

    Args:
        path: of the file; an earlier run's lines stay.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._waiting = path, list[str]()

    def say(self, message: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self._waiting.append(f"{stamp} {plain(message)}\n")
        try:
            # Some folders cannot even be asked for: a name that is too long, one behind a closed door.
            if not self.path.parent.is_dir():
                return
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write("".join(self._waiting))
        except OSError:
            return
        self._waiting.clear()

    detail = say

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        yield lines(self.say, description, total)


@contextmanager
def logged(path: Path, title: str) -> Iterator[RunLog]:
    """A log that begins with ``title`` and ends with how the block did.

    Args:
        path: of the file.
        title: what is run.
    """
    log, begun = RunLog(path), time.monotonic()
    log.say(title)
    try:
        yield log
    except (KeyboardInterrupt, SystemExit):  # by Ctrl-C; by kill, or a scheduler
        log.say(f"stopped after {clock(time.monotonic() - begun)}")
        raise
    except UserError as error:
        log.say(f"error: {error}")
        raise
    except Exception as error:
        log.say(f"fault: {type(error).__name__}: {error}")
        raise
    log.say(f"done in {clock(time.monotonic() - begun)}")
