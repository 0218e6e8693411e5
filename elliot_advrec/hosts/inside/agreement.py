"""Elliot's data and ours: whether both split the interactions alike, and Elliot's seen over our catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions


def split_apart(
    data: Any, interactions: Interactions, users: Mapping[str, Any], items: Mapping[str, Any]
) -> str:
    """How Elliot's split differs from the one that lists were made with; empty where it does not.

    Args:
        data: Elliot's ``DataSet``.
        interactions: what our engine trained and judged on.
        users: our id -> Elliot's, all of ``interactions.users``.
        items: our id -> Elliot's, in the order of the columns.

    Returns:
        The first part that has other users, items or ratings, as one phrase.
    """
    row = {users[name]: number for number, name in enumerate(interactions.users)}
    column = {item: number for number, item in enumerate(items.values())}
    held = {"train": data.train_dict, "validation": data.get_validation(), "test": data.get_test()}
    for part, ratings in held.items():
        ours = getattr(interactions, part)
        if (ours is None) != (ratings is None):
            return f"only one of Elliot and this package has a {part} part"
        if ours is None:
            continue
        theirs = matrix(ratings, row, column, ours.shape)
        rows = sum(map(len, ratings.values()))
        if theirs is None or theirs.nnz != ours.nnz or _differ(theirs, ours):
            return (
                f"Elliot's {part} part ({rows} rows) is not the one that the cells were made with"
                f" ({ours.nnz} rows)"
            )
    return ""


def matrix(
    ratings: Mapping[Any, Mapping[Any, float]],
    row: Mapping[Any, int],
    column: Mapping[Any, int],
    shape: tuple[int, int],
) -> csr_matrix | None:
    """Elliot's ``{user: {item: rating}}`` as a sparse matrix; None where an id is unknown.

    Args:
        ratings: of some users; those without items may be unknown.
        row: user -> row.
        column: item -> column.
        shape: (U, N).
    """
    sizes = np.fromiter(map(len, ratings.values()), np.int64, len(ratings))
    rows = np.repeat(np.fromiter((row.get(user, -1) for user in ratings), np.int64, len(ratings)), sizes)
    met = chain.from_iterable(ratings.values())
    columns = np.fromiter((column.get(item, -1) for item in met), np.int64, sizes.sum())
    worth = np.fromiter(chain.from_iterable(r.values() for r in ratings.values()), np.float32, sizes.sum())
    if len(rows) and (rows.min() < 0 or columns.min() < 0):
        return None
    found = csr_matrix((worth, (rows, columns)), shape=shape)
    found.sort_indices()
    return found


def over_catalog(data: Any, items: Iterable[Any]) -> Any:
    """Elliot's ``DataSet`` with all of ``items`` in it, for its evaluator.

    Elliot knows items with training rows alone, and its measures of popularity stop at any other. Our engine
    ranks the whole catalog where there is one, so such items are in its lists, and measures of popularity and
    coverage are over the catalog. Items are added after Elliot's own.
    """
    added = [item for item in items if item not in data.public_items]
    seen = copy(data)
    seen.items = [*data.items, *added]
    seen.num_items = len(seen.items)
    seen.private_items = dict(enumerate(seen.items))
    seen.public_items = {item: number for number, item in enumerate(seen.items)}
    for name in ("sp_i_train", "sp_i_train_ratings"):
        padded = getattr(data, name).copy()
        padded.resize(data.num_users, seen.num_items)
        setattr(seen, name, padded)
    return seen


def _differ(theirs: csr_matrix, ours: csr_matrix) -> bool:
    return not (
        np.array_equal(theirs.indptr, ours.indptr)
        and np.array_equal(theirs.indices, ours.indices)
        and np.array_equal(theirs.data, ours.data)
    )
