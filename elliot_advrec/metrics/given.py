"""Recommendation lists that somebody else made: Elliot's TSV of user, item and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.metrics.judged import first_of_its_kind, place_in_group
from elliot_advrec.metrics.training import stored_at

REMEDY = "a row is user, item and score, separated by tabs"


@dataclass(frozen=True)
class GivenLists:
    """Lists as ``ranking.judge`` takes them."""

    users: np.ndarray
    """(n,) user rows, ascending."""
    lists: np.ndarray
    """(n, K) item rows, best first, -1 beyond the end."""
    dropped: int
    """Rows among the first K of a user that were no candidates: seen in training, or not in the catalog."""
    repeated: int
    """Rows that name an item again. They count again, as in Elliot, whose own Random repeats itself."""


def read_lists(path: str | Path) -> pd.DataFrame:
    """Read a file of lists.

    Returns:
        Columns user (str), item (str) and score (float, which may be infinite), as they stand in the file.

    Raises:
        UserError: the file cannot be read or is empty, or a line lacks a field or a number; names the line.
    """
    names = ["user", "item", "score"]
    try:
        table = pd.read_csv(
            path, sep="\t", header=None, names=[*names, "more"], dtype=str, quoting=3, keep_default_na=False,
            skip_blank_lines=False, index_col=False, encoding="utf-8-sig",
        )  # fmt: skip
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot be read ({reason})", where=str(path), remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), remedy=REMEDY) from error
    except pd.errors.ParserError as error:
        raise UserError(f"is not a table ({error})", where=str(path), remedy=REMEDY) from error
    fields = table[names].fillna("")
    empty = (fields == "").to_numpy()
    blank = empty.all(axis=1)
    for column, name in enumerate(names):
        missing = empty[:, column] & ~blank
        if missing.any():
            raise UserError(f"no {name}", where=f"{path}, line {missing.argmax() + 1}", remedy=REMEDY)
    fields = fields.iloc[np.flatnonzero(~blank)]
    if fields.empty:
        raise UserError("holds no lists", where=str(path), remedy=REMEDY)
    scores = pd.to_numeric(fields["score"], errors="coerce")
    if scores.isna().any():
        at = int(scores.isna().to_numpy().argmax())
        line = int(np.flatnonzero(~blank)[at]) + 1
        raise UserError(
            f"score '{fields['score'].iloc[at]}' is not a number",
            where=f"{path}, line {line}",
            remedy=REMEDY,
        )
    return fields.assign(score=scores.to_numpy(np.float64)).reset_index(drop=True)


def arrange(
    table: pd.DataFrame,
    users: Sequence[str],
    items: Sequence[str],
    train: csr_matrix,
    length: int,
    *,
    candidates: csr_matrix | None = None,
    where: str = "lists",
) -> GivenLists:
    """Put a table of lists into rows, as Elliot's proxy recommender does.

    A user's rows are ordered by score, equal ones as they stand; of the first ``length``, those that are no
    candidates are left out, so the list is then shorter.

    Args:
        table: what ``read_lists`` gave.
        users: ids of the rows of ``train``.
        items: ids of its columns.
        train: (U, N); stored entries may not be recommended.
        length: K, how many rows of a user are looked at (Elliot's ``top_k``).
        candidates: (U, N), stored entries are all that may be recommended, seen or not; None: what is unseen.
        where: what error messages call the table.

    Raises:
        UserError: a user that was not trained on, or no known item at all.
    """
    row = pd.Index(users).get_indexer(pd.Index(table["user"]))
    if (row < 0).any():
        stranger = str(table["user"].iloc[int((row < 0).argmax())])
        raise UserError(f"user '{stranger}' is not in training", where=where, remedy=nearest(stranger, users))
    column = pd.Index(items).get_indexer(pd.Index(table["item"]))
    if (column < 0).all():
        raise UserError(
            f"no item of it is known; the first is '{table['item'].iloc[0]}'",
            where=where,
            remedy=f"ids must be those of the interactions, as '{items[0]}'",
        )
    order = np.lexsort((-table["score"].to_numpy(), row))
    row, column = row[order], column[order]
    kept = place_in_group(row) < length
    row, column = row[kept], column[kept]
    found, listed = np.unique(row, return_inverse=True)
    if candidates is not None:
        open_items = stored_at(candidates.sorted_indices(), row, column) >= 0
    else:
        open_items = (stored_at(train.sorted_indices(), row, column) < 0) & (column >= 0)
    listed, column = listed[open_items], column[open_items]
    lists = np.full((len(found), length), -1, dtype=np.int64)
    lists[listed, place_in_group(listed)] = column
    repeated = int((~first_of_its_kind(lists)).sum() - (lists < 0).sum())
    return GivenLists(found, lists, int((~open_items).sum()), repeated)
