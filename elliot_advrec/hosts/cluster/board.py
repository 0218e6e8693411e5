"""Where the machines of one run meet: a folder in the store that all of them share."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elliot_advrec.errors import UserError
from elliot_advrec.files import write_json
from elliot_advrec.progress import Advance

if TYPE_CHECKING:  # whoever only looks at the board need not wait for torch
    from elliot_advrec.experiment.store import Entry

BOARDS = ".ray"
"""Folder of the store in which each run on a cluster has its board."""
PATIENCE = 60.0
"""Seconds that another machine's file may take to be seen: network file systems remember what was missing."""
PAUSE = 2.0
"""Seconds between two notes about one stage."""


def seen(there: Callable[[], bool], patience: float) -> bool:
    """Whether ``there()`` becomes true within so many seconds."""
    end = time.monotonic() + patience
    while not there():
        if time.monotonic() >= end:
            return False
        time.sleep(min(0.25, patience))
    return True


def await_finished(entry: Entry, patience: float, unseen: str) -> None:
    """Wait until a stage that another machine finished is seen here.

    Args:
        unseen: what is wrong where it is not, within so many seconds.

    Raises:
        UserError: it is not.
    """
    if not seen(lambda: entry.record() is not None, patience):
        raise UserError(
            unseen,
            where=str(entry.folder),
            remedy="the store must be one folder that all machines share",
        )


@dataclass(frozen=True)
class Note:
    """How far a stage is."""

    host: str
    """Name of the machine that makes it."""
    process: int
    """Id of the process there."""
    done: int = 0
    """Units of ``total`` that are done."""
    total: int = 0
    """0 where the stage does not say."""


class Board:
    """The recipe that all work on, and a note about each stage that is being made.

    Args:
        store: root of the store, as every machine names it.
        run: a name that no other run has.
    """

    def __init__(self, store: Path, run: str) -> None:
        self.folder = store / BOARDS / run
        self.recipe = self.folder / "recipe.json"

    @contextmanager
    def held(self, recipe: dict[str, Any]) -> Iterator[None]:
        """The board exists within the block; ``recipe`` is a resolved one.

        Raises:
            UserError: the store cannot be written.
        """
        write_json(self.recipe, recipe)
        try:
            yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def tell(self, key: str, note: Note) -> None:
        """Leave a note about the stage of that key; who looks after the run has ended finds none."""
        if self.folder.exists():
            write_json(self.folder / f"{key}.json", asdict(note))

    def told(self, key: str) -> Note | None:
        """The last note about a stage, if there is one."""
        try:
            return Note(**json.loads((self.folder / f"{key}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


class BoardProgress:
    """Progress of one stage, as notes on the board for the process that waits for it."""

    def __init__(self, board: Board, key: str, host: str) -> None:
        self.board, self.key = board, key
        self.note = Note(host, os.getpid())
        board.tell(key, self.note)

    def say(self, message: str) -> None:
        return None

    detail = say

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Advance]:
        done, last = 0, 0.0

        def advance(units: int) -> None:
            nonlocal done, last
            done += units
            now = time.monotonic()
            if now - last >= PAUSE:
                last = now
                self.board.tell(self.key, Note(self.note.host, self.note.process, done, total))

        yield advance
