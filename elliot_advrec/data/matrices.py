"""From rows of interactions to matrices over the catalog: joined, filtered, split, with their negatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.folds import Treatment, split_rows
from elliot_advrec.data.interactions import PARTS, Interactions
from elliot_advrec.data.negatives import Candidates, candidates
from elliot_advrec.data.splits import Split, save_folds
from elliot_advrec.data.splitting.settings import FixedFiles, Splitting


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
