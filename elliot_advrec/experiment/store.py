"""Where finished stages are kept: a folder per stage, named by the hash of all that decides it.

A stage's record holds the SHA-256 of every file it left and of itself, so that what was cut off or edited
since is noticed and made again. They tell damage; they are no signature: who may write the store can write a
stage.
"""

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
from elliot_advrec.experiment.sums import Sums, content_digest
from elliot_advrec.files import disk_error, write_json

RECORD = "stage.json"


class Entry:
    """One stage's place in the store.

    A stage works in ``partial``; ``commit`` makes that folder the finished one in a single rename, so a
    killed run leaves either a finished stage or a partial one, never half of a finished one.

    Args:
        root: of the store.
        kind: of the stage.
        key: of the stage.
        sums: what this process has read of the store's files already.
    """

    def __init__(self, root: Path, kind: str, key: str, sums: Sums) -> None:
        self.kind, self.key, self._sums = kind, key, sums
        self.folder = root / kind / key
        self.partial = root / kind / f"{key}.partial"

    def record(self) -> dict[str, Any] | None:
        """What ``commit`` was given, or None when the stage is not finished or its files are damaged.

        Each file is read once a run and compared with the SHA-256 that it had when it was written; after that
        only where its size or time changed.
        """
        record = self._described()
        if record is None:
            return None
        # Stores that were written before there were sums have none: their stages go by the sizes alone.
        sums: dict[str, str] = record.get("sha256", {})
        same = all(self._sums.of(self.folder / name) == expected for name, expected in sums.items())
        return record if same else None

    def there(self) -> bool:
        """Whether the stage is finished, by its record and its files' sizes alone: none of them is read."""
        return self._described() is not None

    def damaged(self) -> bool:
        """Whether there is a finished stage of this key that ``record`` does not accept."""
        return self.folder.exists() and self.record() is None

    def _described(self) -> dict[str, Any] | None:
        try:
            record = json.loads((self.folder / RECORD).read_text("utf-8"))
            whole = record.get("digest") in (None, content_digest(record)) and all(
                (self.folder / name).stat().st_size == size for name, size in record["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return record if whole else None

    def commit(self, record: dict[str, Any]) -> None:
        """Finish the stage: list its files with sizes and SHA-256, write the record, move into place."""
        for left in (RECORD, ".*.tmp"):  # of a run that was killed in the middle of writing
            for path in self.partial.rglob(left):
                path.unlink()
        files = {
            str(path.relative_to(self.partial)): path.stat().st_size
            for path in sorted(self.partial.rglob("*"))
            if path.is_file()
        }
        content = {
            **record,
            "files": files,
            "sha256": {name: self._sums.of(self.partial / name) for name in files},
        }
        write_json(self.partial / RECORD, {**content, "digest": content_digest(content)})
        try:
            if self.folder.exists():  # a damaged earlier result
                _remove(self.folder)
            self.partial.rename(self.folder)
        except OSError as error:
            raise disk_error(error, self.folder) from error


class Store:
    """All finished stages under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root, self._sums = root, Sums()

    def entry(self, kind: str, key: str) -> Entry:
        return Entry(self.root, kind, key, self._sums)

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


def _remove(path: Path) -> None:
    """What lies in a finished stage's place: a damaged stage, or a file that somebody put there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
