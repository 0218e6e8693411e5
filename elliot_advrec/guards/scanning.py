"""A verdict on every picture of a folder, at bounded memory, going on where a killed scan was."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter as clock

import numpy as np
import torch

from elliot_advrec import __version__
from elliot_advrec.data.decoding import Batch
from elliot_advrec.data.decoding_workers import decode_chunks
from elliot_advrec.data.finding import Found, Pictures
from elliot_advrec.errors import UserError
from elliot_advrec.files import held
from elliot_advrec.guards.cleaned import Cleaned
from elliot_advrec.guards.guard import Guard
from elliot_advrec.guards.journal import Entry, Journal
from elliot_advrec.guards.summary import Summary, write
from elliot_advrec.guards.verdicts import as_floats
from elliot_advrec.progress import SILENT, Advance, Progress

BATCH = 32
NAME = "verdicts"


@dataclass(frozen=True)
class Options:
    """What a scan does beside scoring.

    Args:
        forms: of the files of verdicts: ``tsv``, ``json``.
        cleaned: folder of the cleaned pictures; None writes none.
        threshold: in place of the guard's; None takes the guard's.
        limit: pictures at most, the first in the folder's order; None takes all.
        batch_size: pictures that are scored together.
        workers: processes that decode; 0 decodes in this one.
    """

    forms: Sequence[str] = ("tsv",)
    cleaned: Path | None = None
    threshold: float | None = None
    limit: int | None = None
    batch_size: int = BATCH
    workers: int = 0


def scan(
    folder: Path,
    guard: Guard,
    output: Path,
    options: Options = Options(),
    progress: Progress = SILENT,
) -> Summary:
    """Write ``verdicts.tsv`` or ``verdicts.json`` for all pictures below ``folder``.

    What is not finished lies in ``.verdicts.partial``; a scan that was killed and is started again with the
    same guard, device, batch size and ``cleaned`` goes on after its last whole batch, to the same files. A
    picture whose size or time changed in between is looked at again.

    Args:
        folder: searched in depth, links to folders left aside.
        guard: one that was loaded or saved.
        output: folder of the verdicts; made if need be.
        options: what else is asked for.
        progress: told of every picture.

    Raises:
        UserError: no folder or no picture in it, no detector and no ``cleaned``, a threshold that is no
            number or that nothing is compared with, a ``cleaned`` folder inside of the scanned one, another
            scan at work in ``output``, or a folder that cannot be written or a disk that is full.
        ValueError: a guard without a digest: save it first.
    """
    if guard.digest is None:
        raise ValueError("save the guard first: what was scored is known by its digest")
    if guard.detector is None and (options.cleaned is None or options.threshold is not None):
        remedy = "name --cleaned DIR, and no --threshold"
        raise UserError("this guard has no detector: it cleans pictures and flags none", remedy=remedy)
    if options.threshold is not None and not math.isfinite(options.threshold):
        raise UserError(f"a threshold of {options.threshold} flags all or nothing", remedy="name a number")
    begun, files = clock(), [output / f"{NAME}.{form}" for form in options.forms]
    pictures = Pictures(folder)
    total = sum(1 for _ in islice(pictures, options.limit))
    if not total:
        raise UserError(
            f"no pictures in this folder ({pictures.ignored} other files and links)",
            where=str(folder),
            remedy="name a folder with JPEG, PNG, WebP, BMP, GIF or TIFF files",
        )
    cleaned = None if options.cleaned is None else Cleaned(options.cleaned, folder)
    key = {
        "format": "elliot_advrec scan 1",
        "guard": guard.digest,
        "folder": os.path.realpath(folder),
        "cleaned": None if options.cleaned is None else os.path.realpath(options.cleaned),
        "batch_size": options.batch_size,
        "device": guard.device.type,
        "versions": [__version__, torch.__version__],
    }
    with held(output, f".{NAME}.lock", "another scan writes here"):
        journal = Journal(output, key)
        try:
            if journal.resumed:
                progress.say("going on where an earlier scan was")
            with progress.track("scanning", total) as advance:
                found = islice(pictures, options.limit)
                resumed = _Scan(guard, journal, cleaned, options, total).run(found, advance)
            threshold = guard.threshold if options.threshold is None else options.threshold
            counts = write(journal, guard.digest, threshold, files)
            journal.remove()
        finally:
            journal.close()
    return Summary(**counts, ignored=pictures.ignored, resumed=resumed, seconds=clock() - begun, files=files)


class _Scan:
    """One pass through the folder."""

    def __init__(
        self, guard: Guard, journal: Journal, cleaned: Cleaned | None, options: Options, total: int
    ) -> None:
        self.guard, self.journal, self.cleaned = guard, journal, cleaned
        self.batch_size = options.batch_size
        # One at least, whatever there is: a picture that kills its decoder must not take the scan along.
        self.workers = min(options.workers, max(1, -(-total // options.batch_size)))
        self._planned: deque[list[Found | Entry]] = deque()

    def run(self, found: Iterator[Found], advance: Advance) -> int:
        """Enter all of ``found`` into the journal; how many an earlier scan had."""
        resumed = 0
        size = self.guard.image_size
        for batch in decode_chunks(self._chunks(found), size, workers=self.workers, survive=True):
            planned = self._planned.popleft()
            fresh = iter(self._judged([each for each in planned if isinstance(each, Found)], batch))
            self.journal.add([each if isinstance(each, Entry) else next(fresh) for each in planned])
            resumed += len(planned) - batch.count
            advance(len(planned))
        return resumed

    def _chunks(self, found: Iterator[Found]) -> Iterator[list[Found]]:
        """The pictures of each batch that are not known; what is known of it is planned beside them."""
        while chunk := list(islice(found, self.batch_size)):
            planned = [self.journal.known(each) or each for each in chunk]
            self._planned.append(planned)
            yield [each for each in planned if isinstance(each, Found)]

    def _judged(self, pictures: list[Found], batch: Batch) -> list[Entry]:
        """Scores of the good ones, and reasons of the others; cleaned pictures are written."""
        errors = {offset: reason for offset, _, reason in batch.bad}
        good = [pictures[offset] for offset in batch.good]
        scores = self._scores(good, batch.pixels, errors, batch.good)
        return [
            Entry(each.name, each.size, each.changed, scores.get(offset), errors.get(offset))
            for offset, each in enumerate(pictures)
        ]

    @torch.inference_mode()
    def _scores(
        self, good: list[Found], pixels: np.ndarray, errors: dict[int, str], offsets: list[int]
    ) -> dict[int, float]:
        if not good:
            return {}
        names, given = [each.name for each in good], as_floats(pixels).to(self.guard.device)
        if self.cleaned is None:
            return dict(zip(offsets, self.guard.score(given, names).tolist(), strict=True))
        shown, found = self.guard.look(given, names)
        problems = self.cleaned.write(names, shown)
        errors |= {offsets[row]: problem for row, problem in problems.items()}
        return {} if found is None else dict(zip(offsets, found.tolist(), strict=True))
