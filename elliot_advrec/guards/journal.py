"""What a scan has found so far, on disk, so that a killed one goes on after its last whole batch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elliot_advrec.data.finding import Found, place


class Entry(NamedTuple):
    """What was found of one file, and by what it is known to be the same file still."""

    name: str
    size: int
    changed: int
    score: float | None
    error: str | None


class Journal:
    """One line of JSON a batch, behind a line that says what decides the scores.

    What an earlier scan of the same key left is taken over, file by file, where size and time of the file are
    what they were; both go through the folder in the same order, so neither is held in memory. The earlier
    journal is replaced when all of it was taken over, so a scan that is killed before loses nothing.

    Args:
        folder: where it lies.
        key: decides every score; another one begins anew.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        self.path = folder / ".verdicts.partial"
        self._fresh = folder / ".verdicts.partial.new"
        self._key = json.dumps(key, sort_keys=True)
        self._earlier = _entries(self.path, self._key)
        self._next = next(self._earlier, None)
        self.resumed = self._next is not None
        """Whether there is something to take over."""
        self._taken: tuple[str, ...] = ()
        self._replaced = False
        # Anew, and not through a link: whoever may put files there must not choose what is written.
        self._fresh.unlink(missing_ok=True)
        self._stream = self._fresh.open("x", encoding="ascii")
        self._write(self._key)

    def known(self, found: Found) -> Entry | None:
        """What an earlier scan found of this file, unless it changed; ask in the folder's order."""
        while self._next is not None and place(self._next.name) < found.place:
            self._next = next(self._earlier, None)
        entry = self._next
        if entry is None or entry[:3] != (found.name, found.size, found.changed):
            return None
        self._taken = found.place
        return entry

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep a batch, in the folder's order.

        Raises:
            OSError: the disk is full.
        """
        self._write(json.dumps(entries))
        if not self._replaced and self._next is None and place(entries[-1].name) >= self._taken:
            self._replace()

    def finished(self) -> Iterator[Entry]:
        """All entries, read from disk."""
        if not self._replaced:
            self._replace()
        return _entries(self.path, self._key)

    def close(self) -> None:
        """Write no more."""
        self._stream.close()

    def remove(self) -> None:
        """Leave nothing behind: the verdicts are written."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def _replace(self) -> None:
        os.replace(self._fresh, self.path)
        self._replaced = True


def _entries(path: Path, key: str) -> Iterator[Entry]:
    """The entries of all whole lines; none where the key is another or there is no file."""
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            if stream.readline() != key + "\n":
                return
            for line in stream:
                batch = json.loads(line) if line.endswith("\n") else []
                yield from [Entry(*values) for values in batch]
    except (OSError, ValueError, TypeError):
        return  # what follows a damaged line is found anew
