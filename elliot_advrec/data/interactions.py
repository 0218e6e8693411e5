"""Who interacted with what: read from a TSV, joined to the catalog, split, and held as sparse matrices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.component import validate
from elliot_advrec.data.joining import join, join_files
from elliot_advrec.data.splits import FixedFiles, Splitting, split
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError
from elliot_advrec.files import write_arrays, write_json

if TYPE_CHECKING:
    from elliot_advrec.data.catalog import Catalog

__all__ = ["Interactions", "build", "read"]

PARTS = ("train", "validation", "test")
FIELDS = ("data", "indices", "indptr")


@dataclass(frozen=True)
class Interactions:
    """Split interactions over the catalog.

    Each matrix is (users, catalog items) float32 ratings; an interaction is a *stored* entry, so a rating of
    0 counts. Every user has at least one training entry.
    """

    users: list[str]
    """Ids of the rows, in order of first appearance in training."""
    train: csr_matrix
    """What recommenders learn from."""
    validation: csr_matrix | None
    """Held out for selection; None: no validation split."""
    test: csr_matrix
    """Held out for the reported numbers."""
    simulated: bool
    """True where the interactions were drawn from a model of taste rather than read."""
    notes: list[str]
    """What was dropped or kept back, one sentence each, for every report."""

    def save(self, folder: Path) -> None:
        """Write ``interactions.npz`` (arrays, no pickle) and ``interactions.json`` into ``folder``."""
        arrays: dict[str, np.ndarray] = {"items": np.array([self.train.shape[1]], dtype=np.int64)}
        for part in PARTS:
            matrix = getattr(self, part)
            if matrix is not None:
                for field in FIELDS:
                    arrays[f"{part}.{field}"] = getattr(matrix, field)
        write_arrays(folder / "interactions.npz", arrays, compressed=True)
        header = {"users": self.users, "simulated": self.simulated, "notes": self.notes}
        write_json(folder / "interactions.json", header)

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        """What ``save`` wrote.

        Raises:
            UserError: the files are missing or damaged.
        """
        try:
            header = json.loads((folder / "interactions.json").read_text("utf-8"))
            with np.load(folder / "interactions.npz", allow_pickle=False) as arrays:
                shape = (len(header["users"]), int(arrays["items"][0]))
                parts = {
                    part: csr_matrix(tuple(arrays[f"{part}.{field}"] for field in FIELDS), shape=shape)
                    for part in PARTS
                    if f"{part}.indptr" in arrays
                }
            return cls(validation=parts.pop("validation", None), **header, **parts)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise UserError(
                f"the stored interactions cannot be read ({error})",
                where=str(folder),
                remedy="delete the folder and run again",
            ) from error


def build(
    frame: pd.DataFrame | str | Path | None,
    catalog: Catalog,
    splitting: Splitting | FixedFiles | Mapping[str, Any],
    *,
    seed: int = 42,
    simulated: bool = False,
    strict: bool = False,
) -> Interactions:
    """Join interactions to the catalog and split them.

    Args:
        frame: user, item, rating, timestamp (the last may be missing), or the TSV that holds them; None where
            ``splitting`` names the files of a split that is already made.
        catalog: its ids become the columns.
        splitting: Elliot's ``splitting`` section, or those files.
        seed: Elliot's ``random_seed``.
        simulated: whether the interactions were drawn rather than read; said in every report.
        strict: refuse items that the catalog lacks, instead of dropping them with a note.

    Raises:
        UserError: unreadable rows, unknown items under ``strict``, or a split with an empty part.
    """
    notes: list[str] = []
    if isinstance(splitting, FixedFiles):
        if frame is not None:
            raise UserError(
                "fixed train and test files leave nothing to split", remedy="give only one of them"
            )
        parts = join_files(splitting, catalog.ids, strict, notes)
    else:
        if frame is None:
            raise UserError("there are no interactions to split", remedy="name a dataset_path")
        plan = splitting if isinstance(splitting, Splitting) else validate(Splitting, splitting, "splitting")
        parts = split(join(frame, catalog.ids, strict, notes), plan, seed=seed)
        if plan.save_on_disk and plan.save_folder is not None:
            parts.save(plan.save_folder)
    notes += parts.notes
    users = [str(user) for user in pd.unique(parts.train["user"])]
    row = {user: number for number, user in enumerate(users)}
    column = {item: number for number, item in enumerate(catalog.ids)}
    return Interactions(
        users,
        _matrix(parts.train, row, column),
        None if parts.validation is None else _matrix(parts.validation, row, column),
        _matrix(parts.test, row, column),
        simulated,
        notes,
    )


def _matrix(table: pd.DataFrame, row: Mapping[str, int], column: Mapping[str, int]) -> csr_matrix:
    rows = table["user"].map(row).to_numpy(np.int64)
    columns = table["item"].map(column).to_numpy(np.int64)
    ratings = table["rating"].to_numpy(np.float32)
    matrix = csr_matrix((ratings, (rows, columns)), shape=(len(row), len(column)), dtype=np.float32)
    matrix.sort_indices()
    return matrix
