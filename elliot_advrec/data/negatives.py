"""Evaluation against sampled items: each user's candidates are the held-out items and some negative ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator
from scipy.sparse import csr_matrix

from elliot_advrec.component import Config
from elliot_advrec.data.negative_draws import draw_absent, marks
from elliot_advrec.data.negative_files import read_negatives, write_negatives
from elliot_advrec.data.private_ids import private_items, private_users
from elliot_advrec.data.splits import Split
from elliot_advrec.data.splitting.users import all_integers
from elliot_advrec.errors import UserError, nearest

SEED = 42
"""Elliot seeds this stream when its module is imported, whatever ``random_seed`` is."""
READ = {"random": ("num_items", "file_path"), "fixed": ("files",)}


class NegativeSampling(Config):
    """Elliot's ``negative_sampling`` section: absent, all items that a user did not train on are ranked."""

    strategy: str
    """``random`` (drawn evenly from the items of training that the user has no row of) or ``fixed``
    (read from files)."""
    num_items: int | None = Field(default=None, ge=1)
    """With ``random``: negative items of each user."""
    file_path: Path | None = None
    """With ``random``: where the negatives of the test are written, in the form that ``fixed`` reads; Elliot
    always writes ``../data/<dataset>/negative.tsv`` beside the recipe's folder. Absent: nowhere."""
    files: tuple[Path, ...] = ()
    """With ``fixed``: the test's file, then the validation's where there is a validation split."""

    @field_validator("files", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | Path) else value

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in READ:
            raise ValueError(f"unknown negative_sampling strategy '{value}'; {nearest(value, READ)}")
        return value

    @model_validator(mode="after")
    def _what_the_strategy_reads(self) -> NegativeSampling:
        read = READ[self.strategy]
        if not getattr(self, read[0]):
            raise ValueError(f"'{self.strategy}' needs {read[0]}")
        for key in ("num_items", "file_path", "files"):
            if key not in read and getattr(self, key):
                raise ValueError(
                    f"'{key}' is not read with strategy '{self.strategy}', which reads {', '.join(read)}"
                )
        if len(self.files) > 2:
            raise ValueError("files are at most two: of the test, then of the validation")
        return self


@dataclass(frozen=True)
class Candidates:
    """What is ranked for each user of one split, instead of all items that the user did not train on.

    Each matrix is (users, catalog items) bool with sorted indices: the negatives, and the user's held-out
    items that are items of training, for Elliot knows no others.
    """

    users: list[str]
    """Ids of the rows: users of the training rows, in order of first appearance."""
    validation: csr_matrix | None
    """Candidates of the validation; None: no validation split."""
    test: csr_matrix
    """Candidates of the test."""
    notes: list[str]
    """What was left out, one sentence each."""


def candidates(
    sampling: NegativeSampling, folds: Sequence[Sequence[Split]], items: Sequence[str]
) -> list[list[Candidates]]:
    """Candidates of every split.

    Drawn negatives are Elliot's for whole-number ids and splits without validation. With one Elliot stops, so
    there the intent is made: the validation's negatives are drawn before the test's, and a negative is an
    item that the user has in no part. One stream serves all splits in turn: all folds are asked for at once.

    Args:
        sampling: the recipe's section.
        folds: as ``split_folds`` gives them.
        items: ids of the catalog, the columns.

    Raises:
        UserError: fewer items than are to be drawn, or files that are missing or damaged.
    """
    stream = Random(SEED)
    return [[_of_split(sampling, split, items, stream) for split in fold] for fold in folds]


def _of_split(sampling: NegativeSampling, split: Split, items: Sequence[str], stream: Random) -> Candidates:
    users, pool = private_users(split.train), private_items(split.train)
    ids = (_index(users), _index(pool))
    held = {"test": _matrix(split.test, *ids)}
    if split.validation is not None:
        held = {"validation": _matrix(split.validation, *ids), **held}  # Elliot's order of drawing
    notes: list[str] = []
    if sampling.strategy == "random":
        known = sum(held.values(), _matrix(split.train, *ids))
        known.sum_duplicates()
        drawn = {part: _draw(known, sampling.num_items or 0, stream, users) for part in held}
        if sampling.file_path is not None:
            _write(sampling.file_path, users, pool, drawn["test"])
    else:
        drawn = {part: _read(sampling.files, part, ids, notes) for part in held}
    column = _index(items).get_indexer(ids[1])
    if (column < 0).any():
        raise ValueError("training rows must be of items of the catalog")
    made = {part: _placed(drawn[part] + held[part], column, len(items)) for part in held}
    return Candidates(users, made.get("validation"), made["test"], notes)


def _index(ids: Iterable[str]) -> pd.Index:
    return pd.Index(np.array(list(ids), dtype=object))


def _matrix(table: pd.DataFrame, users: pd.Index, pool: pd.Index) -> csr_matrix:
    """(users, pool) bool: the rows of a table whose user and item are known."""
    rows, columns = users.get_indexer(_index(table["user"])), pool.get_indexer(_index(table["item"]))
    return marks(rows, columns, (len(users), len(pool)))


def _draw(known: csr_matrix, count: int, stream: Random, users: Sequence[str]) -> csr_matrix:
    """(users, pool) bool: ``count`` items of each user that are not in ``known``."""
    free = known.shape[1] - np.diff(known.indptr)
    if (free < count).any():
        short = int(np.argmax(free < count))
        raise UserError(
            f"num_items is {count}, and user '{users[short]}' has no row of only {free[short]} items",
            where="negative_sampling",
            remedy="draw fewer",
        )
    return draw_absent(known, count, stream)


def _write(path: Path, users: list[str], pool: list[str], drawn: csr_matrix) -> None:
    numbers = all_integers(_index(users))
    names = np.array(pool, dtype=object)
    lists = (names[drawn.indices[a:b]] for a, b in zip(drawn.indptr[:-1], drawn.indptr[1:], strict=True))
    write_negatives(path, [int(user) for user in users] if numbers else users, lists)


def _read(files: tuple[Path, ...], part: str, ids: tuple[pd.Index, pd.Index], notes: list[str]) -> csr_matrix:
    """(users, pool) bool of the part's file: the first is the test's, the second the validation's."""
    place = 0 if part == "test" else 1
    if place >= len(files):
        raise UserError(
            "a validation split needs two files",
            where="negative_sampling.files",
            remedy="give the test's, then the validation's",
        )
    path = files[place]
    found, replaced = read_negatives(path)
    if replaced:
        notes.append(f"{path}: {replaced} lines were replaced by a later line of the same user")
    users, pool = ids
    names = _index(found)
    rows = np.repeat(users.get_indexer(names), [len(items) for items in found.values()])
    listed = _index(item for items in found.values() for item in items)
    columns = pool.get_indexer(listed)
    strange = int((columns < 0).sum())
    if strange:
        notes.append(f"{path}: {strange} negatives that are no items of training were left out")
    unknown = len(names) - int(names.isin(users).sum())
    if unknown:
        notes.append(f"{path}: {unknown} users without training rows were left out")
    missing = len(users) - int(users.isin(names).sum())
    if missing:
        notes.append(f"{path}: {missing} users have no line: only their held-out items are ranked")
    return marks(rows, columns, (len(users), len(pool)))


def _placed(found: csr_matrix, column: np.ndarray, width: int) -> csr_matrix:
    """The same entries over the catalog's columns, sorted."""
    rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    return marks(rows, column[found.indices], (found.shape[0], width))
