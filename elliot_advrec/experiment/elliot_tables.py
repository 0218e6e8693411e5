"""Items and splits as Elliot 0.3.1 reads them: whole numbers, and tables without a header.

Elliot's VBPR opens ``<private index>.npy``, where its private indices count the items of the training file;
it finds the right features only where these are called 0 to n - 1. So the items of the training part are
numbered first, in the order of the catalog, and the others after them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from elliot_advrec.data.features.elliot_folder import ITEMS
from elliot_advrec.data.interactions import PARTS, Interactions
from elliot_advrec.files import atomic


def numbers(interactions: Interactions) -> np.ndarray:
    """(N,) int64: Elliot's number of each catalog row."""
    seen = np.bincount(interactions.train.indices, minlength=interactions.train.shape[1]) > 0
    order = np.concatenate([np.flatnonzero(seen), np.flatnonzero(~seen)])
    number = np.empty(len(seen), np.int64)
    number[order] = np.arange(len(seen))
    return number


def write_tables(folder: Path, ids: list[str], interactions: Interactions, number: np.ndarray) -> None:
    """``items.tsv`` (item, number), and ``train``, ``validation`` and ``test.tsv`` (user, item, rating)."""
    _write(folder / ITEMS, pd.DataFrame({"item": ids, "number": number}))
    for part in PARTS:
        matrix = getattr(interactions, part)
        if matrix is None:
            (folder / f"{part}.tsv").unlink(missing_ok=True)
            continue
        held = matrix.tocoo()
        _write(
            folder / f"{part}.tsv",
            pd.DataFrame({"user": held.row, "item": number[held.col], "rating": held.data}),
        )


def _write(path: Path, frame: pd.DataFrame) -> None:
    with atomic(path) as temporary:
        frame.to_csv(temporary, sep="\t", header=False, index=False, lineterminator="\n")
