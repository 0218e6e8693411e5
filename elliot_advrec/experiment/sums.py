"""SHA-256 of files, each read once however often it is asked for: a store's, and those that recipes name."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elliot_advrec.files import sha256


class Sums:
    """What one process has read already.

    A file counts as read as long as inode, size and times are what they were; so one that is moved with its
    folder when a stage is finished is not read again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int, int], str] = {}

    def of(self, path: Path) -> str | None:
        """Hex digest of the file's bytes; None where there is no file that can be read."""
        try:
            seen = path.stat()
            if not stat.S_ISREG(seen.st_mode):  # a pipe would block for ever
                return None
            place = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            if place not in self._known:
                self._known[place] = sha256(path)
        except OSError:
            return None
        return self._known[place]


NAMED = Sums()
"""Of files that recipes name, such as weights: every seed and defense of a plan asks for them."""


def content_digest(content: Mapping[str, Any]) -> str:
    """Hex digest of a record, less its own ``digest``, as it reads once it was written as JSON."""
    plain = json.loads(json.dumps({key: value for key, value in content.items() if key != "digest"}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
