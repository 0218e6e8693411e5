"""Where finished stages are kept: a folder per stage, named by the hash of all that decides it."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.files import disk_error, write_json

RECORD = "stage.json"


class Entry:
    """One stage's place in the store.

    A stage works in ``partial``; ``commit`` makes that folder the finished one in a single rename, so a
    killed run leaves either a finished stage or a partial one, never half of a finished one.
    """

    def __init__(self, root: Path, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        self.folder = root / kind / key
        self.partial = root / kind / f"{key}.partial"

    def record(self) -> dict[str, Any] | None:
        """What ``commit`` was given, or None when the stage is not finished or its files are damaged."""
        try:
            record = json.loads((self.folder / RECORD).read_text("utf-8"))
            sizes: dict[str, int] = record["files"]
            whole = all((self.folder / name).stat().st_size == size for name, size in sizes.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return record if whole else None

    def commit(self, record: dict[str, Any]) -> None:
        """Finish the stage: list its files with their sizes, write the record, move into place."""
        for left in (RECORD, ".*.tmp"):  # of a run that was killed in the middle of writing
            for path in self.partial.rglob(left):
                path.unlink()
        files = {
            str(path.relative_to(self.partial)): path.stat().st_size
            for path in sorted(self.partial.rglob("*"))
            if path.is_file()
        }
        write_json(self.partial / RECORD, {**record, "files": files})
        try:
            if self.folder.exists():  # a damaged earlier result
                shutil.rmtree(self.folder)
            self.partial.rename(self.folder)
        except OSError as error:
            raise disk_error(error, self.folder) from error


class Store:
    """All finished stages under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, kind: str, key: str) -> Entry:
        return Entry(self.root, kind, key)

    @contextmanager
    def work(self, entry: Entry) -> Iterator[None]:
        """Hold ``entry`` while it is made: another run over the same store waits here, then finds it done.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            entry.partial.mkdir(parents=True, exist_ok=True)
        except (NotADirectoryError, FileExistsError) as error:
            raise UserError(
                "the store needs a folder, and a file is in its place",
                where=str(self.root),
                remedy="name another --store",
            ) from error
        except OSError as error:
            raise disk_error(error, entry.partial) from error
        try:
            with (entry.partial.parent / f".{entry.key}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel even after kill -9
                entry.partial.mkdir(exist_ok=True)
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
                raise disk_error(error, entry.partial) from error
            raise
