"""The folder in which Elliot keeps a split: ``<test fold>/test.tsv`` and what is trained on below it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from elliot_advrec.files import atomic

NAMES = ("train.tsv", "val.tsv", "test.tsv")


def write(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write tables at their paths below ``folder``, and take away what an earlier split left there.

    Ratings that are all whole numbers are written as such, for Elliot does not make fractions of them.

    Raises:
        UserError: the folder cannot be written.
    """
    whole = all((table["rating"] % 1 == 0).all() for table in tables.values())
    for path, table in tables.items():
        shown = table.assign(rating=table["rating"].astype(np.int64)) if whole else table
        with atomic(folder / path) as temporary:
            shown.to_csv(temporary, sep="\t", index=False, header=False)
    _tidy(folder, {folder / path for path in tables})


def _tidy(folder: Path, written: set[Path]) -> None:
    """Remove the files of folds that are no longer there; Elliot empties the whole folder, we only these."""
    folds = [path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()]
    inner = [path for fold in folds for path in fold.glob("*") if path.name.isdecimal() and path.is_dir()]
    for place in [*inner, *folds]:
        for name in NAMES:
            if place / name not in written:
                (place / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            place.rmdir()
