"""Writing files so that a killed or full machine never leaves half of one behind."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.errors import UserError


def disk_error(error: OSError, path: Path) -> UserError:
    """An operating-system error while writing ``path``, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError("the disk is full", where=str(path), remedy="free space, or name another --output")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(
            "cannot be written", where=str(path), remedy="name an --output folder you may write to"
        )
    reason = error.strerror or str(error)
    return UserError(f"cannot be written ({reason})", where=str(path), remedy="name another --output")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` when the block ends well.

    Raises:
        UserError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        # Errors of reading something else inside the block keep their own meaning.
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        elsewhere = named is not None and named.parent != path.parent and named not in path.parents
        if elsewhere and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise disk_error(error, path) from error
    finally:
        if temporary is not None and temporary.exists():
            temporary.unlink()


@contextmanager
def held(folder: Path, name: str, taken: str) -> Iterator[None]:
    """Only one process at a time works in ``folder``; errors of the system in the block become sentences.

    Args:
        folder: made if need be.
        name: of the lock file in it.
        taken: what to say where another process is at work.

    Raises:
        UserError: another process is, or the disk is full or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not through a link: whoever may put files there must not choose what is opened.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(folder / name, flags, 0o666), "r+") as lock:
            try:
                # Released by the kernel even after kill -9.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(taken, where=str(folder), remedy="name another --output") from None
            yield
    except OSError as error:
        raise disk_error(error, folder) from error


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON, atomically; NaN and infinities are refused."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> None:
    """Write ``arrays`` as one .npz without pickles, atomically.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
        ValueError: an array holds Python objects.
    """
    # Not np.savez: it pickles objects, and numpy 1.26's leaves its archive open when the disk is full.
    compression = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a .npz; none of them is unpickled.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is damaged, or no archive of arrays.
    """
    with _damage():
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it holds one array, not an archive of arrays")
        with found:
            return {name: found[name] for name in found.files}


def read_array(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array of a .npy, which is not unpickled; ``mapped``: read from disk as it is looked at.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is damaged, or not one array.
    """
    with _damage():
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            found.close()
            raise ValueError("it holds an archive, not one array")
        return found


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever damaged headers and archives end in, as ``ValueError``."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except MemoryError:
        raise ValueError("it announces more than there is memory for") from None
    except Exception as error:  # zipfile, zlib and NumPy's parser meet damage with errors of every kind
        raise ValueError(f"{type(error).__name__}: {error}") from error


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
