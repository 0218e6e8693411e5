"""Who interacted with what: read, filtered, split, and held as sparse matrices over the catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.data.folds import Treatment, split_rows
from elliot_advrec.data.negatives import Candidates, candidates
from elliot_advrec.data.splits import FixedFiles, Split, Splitting, save_folds
from elliot_advrec.data.tsv import read
from elliot_advrec.errors import UserError
from elliot_advrec.files import read_arrays, write_arrays, write_json

if TYPE_CHECKING:
    from elliot_advrec.data.catalog import Catalog

__all__ = ["Interactions", "build", "build_folds", "read"]

PARTS = ("train", "validation", "test")
CANDIDATES = ("validation_candidates", "test_candidates")
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
    """What recommenders learn from; of repeated rows it holds the last rating, as Elliot does."""
    validation: csr_matrix | None
    """Held out for selection; None: no validation split."""
    test: csr_matrix
    """Held out for the reported numbers."""
    simulated: bool
    """True where the interactions were drawn from a model of taste rather than read."""
    notes: list[str]
    """What was dropped or kept back, one sentence each, for every report."""
    validation_candidates: csr_matrix | None = None
    """(users, catalog items) bool: all that is ranked when the validation part is judged; None: all items."""
    test_candidates: csr_matrix | None = None
    """The same for the test, where Elliot's ``negative_sampling`` asks for it."""

    def trained(self) -> np.ndarray:
        """(catalog items,) bool: items with a training entry, which are all that Elliot knows."""
        return np.bincount(self.train.indices, minlength=self.train.shape[1]) > 0

    def save(self, folder: Path) -> None:
        """Write ``interactions.npz`` (arrays, no pickle) and ``interactions.json`` into ``folder``."""
        arrays: dict[str, np.ndarray] = {"items": np.array([self.train.shape[1]], dtype=np.int64)}
        for part in (*PARTS, *CANDIDATES):
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
            arrays = read_arrays(folder / "interactions.npz")
            shape = (len(header["users"]), int(arrays["items"][0]))
            parts = {
                part: csr_matrix(tuple(arrays[f"{part}.{field}"] for field in FIELDS), shape=shape)
                for part in (*PARTS, *CANDIDATES)
                if f"{part}.indptr" in arrays
            }
            return cls(validation=parts.pop("validation", None), **header, **parts)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
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
    treatment: Treatment | None = None,
) -> Interactions:
    """The one fold of a splitting without folds; see ``build_folds``.

    Raises:
        UserError: as ``build_folds``, or there are several folds.
    """
    folds = build_folds(
        frame, catalog, splitting, seed=seed, simulated=simulated, strict=strict, treatment=treatment
    )
    if len(folds) > 1 or len(folds[0]) > 1:
        raise UserError(
            f"{sum(map(len, folds))} folds, and one split is wanted here",
            where="splitting",
            remedy="set folds: 1 with random_subsampling",
        )
    return folds[0][0]


def build_folds(
    frame: pd.DataFrame | str | Path | None,
    catalog: Catalog,
    splitting: Splitting | FixedFiles | Mapping[str, Any],
    *,
    seed: int = 42,
    simulated: bool = False,
    strict: bool = False,
    treatment: Treatment | None = None,
    own_items: bool = False,
) -> list[list[Interactions]]:
    """Join interactions to the catalog, filter, binarize and split them, and draw negatives, as Elliot does.

    Args:
        frame: user, item, rating, timestamp (the last may be missing), or the TSV that holds them; None where
            ``splitting`` names the files of a split that is already made.
        catalog: its ids become the columns.
        splitting: Elliot's ``splitting`` section, or those files.
        seed: Elliot's ``random_seed``.
        simulated: whether the interactions were drawn rather than read; said in every report.
        strict: refuse items that the catalog lacks, instead of dropping them with a note.
        treatment: Elliot's ``prefiltering``, ``binarize`` and ``negative_sampling``; None: none of them.
        own_items: the catalog was made of these very rows after filtering, so none is dropped before it.

    Returns:
        For each test fold its validation folds.

    Raises:
        UserError: unreadable rows, unknown items under ``strict``, filters that leave nothing, a split with
            an empty part, or negatives that cannot be drawn or read.
    """
    treatment = treatment or Treatment()
    notes: list[str] = []
    items = None if own_items else catalog.ids
    folds = split_rows(frame, items, splitting, treatment, seed=seed, strict=strict, notes=notes)
    if isinstance(splitting, Splitting) and splitting.save_on_disk and splitting.save_folder is not None:
        save_folds(folds, splitting.save_folder)
    kept = [[one.evaluable() for one in fold] for fold in folds]
    drawn: list[list[Candidates | None]] = [[None] * len(fold) for fold in kept]
    if treatment.negatives is not None:
        drawn = [list(fold) for fold in candidates(treatment.negatives, kept, catalog.ids)]
    column = pd.Index(np.array(catalog.ids, dtype=object))
    return [
        [
            _matrices(one, ranked, column, simulated, notes, own_items)
            for one, ranked in zip(*both, strict=True)
        ]
        for both in zip(kept, drawn, strict=True)
    ]


def _matrices(
    split: Split,
    ranked: Candidates | None,
    column: pd.Index,
    simulated: bool,
    notes: list[str],
    own_items: bool,
) -> Interactions:
    users = [str(user) for user in pd.unique(split.train["user"])]
    row = pd.Index(np.array(users, dtype=object))
    made = Interactions(
        users,
        _matrix(split.train, row, column),
        None if split.validation is None else _matrix(split.validation, row, column),
        _matrix(split.test, row, column),
        simulated,
        [*notes, *split.notes, *(ranked.notes if ranked is not None else [])],
        None if ranked is None else ranked.validation,
        None if ranked is None else ranked.test,
    )
    made.notes.extend(_untrained(made, own_items))
    return made


def _untrained(made: Interactions, own_items: bool) -> Iterator[str]:
    """What to say of held-out items that no user trained on."""
    trained = made.trained()
    for part in PARTS[1:]:
        matrix = getattr(made, part)
        gone = 0 if matrix is None else len(np.unique(matrix.indices[~trained[matrix.indices]]))
        if gone:
            then = ": as in Elliot they are never recommended" if own_items else ""
            yield f"{gone} items of the {part} have no training row left{then}"


def _matrix(table: pd.DataFrame, row: pd.Index, column: pd.Index) -> csr_matrix:
    table = table.drop_duplicates(["user", "item"], keep="last")  # else their ratings would be added up
    rows = row.get_indexer(pd.Index(table["user"].to_numpy(object)))
    columns = column.get_indexer(pd.Index(table["item"].to_numpy(object)))
    ratings = table["rating"].to_numpy(np.float32)
    matrix = csr_matrix((ratings, (rows, columns)), shape=(len(row), len(column)), dtype=np.float32)
    matrix.sort_indices()
    return matrix
