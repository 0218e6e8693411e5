"""Decoding many pictures, in this process or in several, with a bounded number on the way.

Kept free of torch: worker processes import this module, and should start fast.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

import numpy as np

from elliot_advrec.data.bad_images import BadImage
from elliot_advrec.data.decoding import Batch, decode_batch
from elliot_advrec.data.pictures import Picture
from elliot_advrec.errors import UserError

CHUNK = 32


def decode_all(
    pictures: Sequence[Picture], size: int, *, workers: int = 0, hashed: bool = False
) -> Iterator[Batch]:
    """All ``pictures`` in order, in batches of at most 32.

    Args:
        pictures: N readers.
        size: side in pixels.
        workers: processes; 0 works in this one. At most two batches a worker are on the way at a time.
        hashed: also give the signatures that near-duplicates are found by.

    Raises:
        UserError: a worker process died.
    """
    starts = range(0, len(pictures), CHUNK)
    chunks = (pictures[start : start + CHUNK] for start in starts)
    workers = 0 if len(starts) < 2 else min(workers, len(starts))
    yield from decode_chunks(chunks, size, workers=workers, hashed=hashed)


def decode_chunks(
    chunks: Iterable[Sequence[Picture]],
    size: int,
    *,
    workers: int = 0,
    hashed: bool = False,
    survive: bool = False,
) -> Iterator[Batch]:
    """One batch a chunk, in order; chunks are taken as they are needed.

    Args:
        chunks: some readers each, maybe none.
        size: side in pixels.
        workers: processes; 0 works in this one. At most two chunks a worker are on the way at a time.
        hashed: also give the signatures that near-duplicates are found by.
        survive: where a picture kills the process that decodes it, enter it as bad and go on.

    Raises:
        UserError: a worker process died; under ``survive`` only where processes die without a picture.
    """
    start = 0
    if workers <= 0:
        for pictures in chunks:
            yield decode_batch(pictures, start, size, hashed)
            start += len(pictures)
        return
    taken, waiting = iter(chunks), deque[_Chunk]()
    pool = _pool(workers)
    try:
        while True:
            for pictures in islice(taken, 2 * workers - len(waiting)):
                waiting.append(_Chunk(pictures, start))
                start += len(pictures)
            if not waiting:
                return
            try:
                for chunk in waiting:
                    chunk.submit(pool, size, hashed)
                found = waiting[0].result()
            except BrokenProcessPool as error:
                if not survive:
                    raise _died() from error
                pool.shutdown(wait=True, cancel_futures=True)
                pool = _pool(workers)
                for chunk in waiting:
                    chunk.future = None
                found = _one_by_one(waiting[0], size, hashed)
            waiting.popleft()
            yield found
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Chunk:
    """Pictures on their way through a pool."""

    pictures: Sequence[Picture]
    start: int
    future: Future[Batch] | None = None

    def submit(self, pool: ProcessPoolExecutor, size: int, hashed: bool) -> None:
        if self.future is None:
            self.future = pool.submit(decode_batch, self.pictures, self.start, size, hashed)

    def result(self) -> Batch:
        assert self.future is not None
        return self.future.result()


def _one_by_one(chunk: _Chunk, size: int, hashed: bool) -> Batch:
    """What ``decode_batch`` gives, with an error for each picture that kills a process of its own."""
    shown: list[Picture] = []
    pool = _pool(1)
    try:
        for picture in chunk.pictures:
            try:
                pool.submit(decode_batch, [picture], 0, size, hashed).result()
                shown.append(picture)
            except BrokenProcessPool:
                pool.shutdown(wait=True)
                pool = _pool(1)
                try:
                    pool.submit(os.getpid).result()
                except BrokenProcessPool as error:
                    raise _died() from error
                shown.append(_Deadly(str(getattr(picture, "path", "picture"))))
        return pool.submit(decode_batch, shown, chunk.start, size, hashed).result()
    finally:
        pool.shutdown(wait=True)


@dataclass(frozen=True)
class _Deadly:
    """Stands in for a picture whose decoding ends the process."""

    path: str

    def load(self, size: int) -> np.ndarray:
        raise BadImage(self.path, "the process that decodes it dies (a fault of the decoder, or no memory)")


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork of one that runs threads (torch, faiss) can hang.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _died() -> UserError:
    return UserError(
        "a process that decodes pictures died (out of memory, or a script without "
        "an 'if __name__ == \"__main__\"' guard)",
        remedy="use fewer workers, or workers: 0",
    )
