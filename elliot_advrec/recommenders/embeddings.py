"""Item embeddings as recommenders take them: checked, brought to unit length, replaced; blocks at a time."""

from __future__ import annotations

import numpy as np

from elliot_advrec.errors import UserError

BLOCK = 8192
"""Rows of a large matrix that are looked at together."""


def check_embeddings(
    embeddings: np.ndarray | None, items: int, name: str, *, width: int | None = None
) -> np.ndarray:
    """The embeddings as (items, D) float32; a float32 array, mapped from a file or not, is not copied.

    Args:
        embeddings: a row for each item.
        items: how many rows there must be.
        name: who asks, for messages.
        width: the D that they must have, if it is known.

    Raises:
        UserError: they are missing, of another shape, or hold NaN or infinity; names the first such row.
    """
    if embeddings is None:
        raise UserError(f"{name} needs item embeddings", remedy="give the recipe an extractor")
    array = np.ascontiguousarray(embeddings, dtype=np.float32)
    if array.ndim != 2 or len(array) != items:
        raise UserError(f"{name} expected embeddings of shape ({items}, D), got {tuple(array.shape)}")
    check_width(array.shape[1], width, name)
    # A block at a time: the matrix may be larger than memory.
    blocks = [np.isfinite(array[start : start + BLOCK]).all(axis=1) for start in range(0, items, BLOCK)]
    finite = np.concatenate([*blocks, np.empty(0, bool)])
    if not finite.all():
        raise UserError(
            f"{name}: {int((~finite).sum())} embeddings hold NaN or infinity, the first of item row "
            f"{int(np.argmin(finite))}",
            remedy="the extractor diverged: lower its learning rate or eps",
        )
    return array


def check_width(found: int, width: int | None, name: str) -> None:
    """Refuse embeddings of another extractor, as far as their width tells.

    Raises:
        UserError: they are ``found`` wide, not ``width``.
    """
    if width is not None and found != width:
        raise UserError(
            f"{name} was fitted on embeddings of width {width}, got width {found}",
            remedy="give it the embeddings of the extractor it was fitted on",
        )


def last_of_each(rows: np.ndarray, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sorted rows (m,) and the last embedding given for each (m, D)."""
    rows = np.asarray(rows, dtype=np.int64)
    distinct, place = np.unique(rows[::-1], return_index=True)
    return distinct, np.asarray(embeddings)[len(rows) - 1 - place]


def unit(embeddings: np.ndarray) -> np.ndarray:
    """(n, D) float32 rows of length 1; a zero row stays zero, so its cosine to everything is 0."""
    found = np.empty(embeddings.shape, np.float32)
    for start in range(0, len(embeddings), BLOCK):  # the float64 in between takes twice the memory
        block = embeddings[start : start + BLOCK]
        length = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
        found[start : start + BLOCK] = block / np.maximum(length, 1e-30)[:, None]
    return found
