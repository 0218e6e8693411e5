"""From a file to the train, validation and test rows of every fold, in Elliot's order of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from elliot_advrec.component import validate
from elliot_advrec.data.joining import LACKED, join, join_files, rated
from elliot_advrec.data.negatives import NegativeSampling
from elliot_advrec.data.prefilters import BY_RATING, Prefilter, binarize, prefilter
from elliot_advrec.data.private_ids import private_items
from elliot_advrec.data.splits import Split, split_folds
from elliot_advrec.data.splitting.settings import FixedFiles, Splitting
from elliot_advrec.errors import UserError


@dataclass(frozen=True)
class Treatment:
    """What Elliot does to rows beside splitting them.

    Attributes:
        filters: ``prefiltering``, applied in turn before the split.
        binary: ``binarize``: every rating is 1, after the filters.
        negatives: ``negative_sampling``; None: all items are ranked.
        items: ids of items whose rows are read at all, those with features; None: every item.
    """

    filters: Sequence[Prefilter] = ()
    binary: bool = False
    negatives: NegativeSampling | None = None
    items: Sequence[str] | None = None


def split_rows(
    frame: pd.DataFrame | str | Path | None,
    items: Sequence[str] | None,
    splitting: Splitting | FixedFiles | Mapping[str, Any],
    treatment: Treatment,
    *,
    seed: int = 42,
    strict: bool = False,
    notes: list[str],
) -> list[list[Split]]:
    """Read and join, filter, binarize, split: each test fold's validation folds.

    Args:
        frame: the table or the TSV that holds it; None with fixed files.
        items: ids that are kept; None: those of ``treatment``.
        splitting: Elliot's ``splitting`` section, or the files of a split that is already made.
        treatment: its filters and ``binary``.
        seed: Elliot's ``random_seed``.
        strict: refuse unknown items instead of dropping their rows.
        notes: gets a sentence about all that was dropped before the split.

    Raises:
        UserError: unreadable rows, filters that leave nothing, or a fold with nobody to evaluate.
    """
    lacked = LACKED if items is not None else "without features"
    items = treatment.items if items is None else items
    if isinstance(splitting, FixedFiles):
        if frame is not None:
            raise UserError(
                "fixed train and test files leave nothing to split", remedy="give only one of them"
            )
        made = join_files(splitting, items, strict, notes, lacked)
        return [[_binary(made) if treatment.binary else made]]
    if frame is None:
        raise UserError("there are no interactions to split", remedy="name a dataset_path")
    plan = splitting if isinstance(splitting, Splitting) else validate(Splitting, splitting, "splitting")
    rows = join(frame, items, strict, notes, lacked)
    name = "interactions" if isinstance(frame, pd.DataFrame) else str(frame)
    unusable = [one.strategy for one in treatment.filters if one.strategy in BY_RATING]
    if unusable and rows["rating"].isna().all():
        raise UserError(
            f"'{unusable[0]}' filters by ratings, and the file has none",
            where=name,
            remedy="take the filter out of 'prefiltering', or add a third column",
        )
    [rows] = rated([prefilter(rows, treatment.filters, notes)], [name], notes)
    return split_folds(binarize(rows) if treatment.binary else rows, plan, seed=seed)


def items_of(split: Split) -> list[str]:
    """All items of a split: those trained on in Elliot's order, then those that are only held out."""
    trained = private_items(split.train)
    held = pd.concat([table["item"] for table in (split.validation, split.test) if table is not None])
    return [*trained, *sorted(set(held) - set(trained))]


def _binary(split: Split) -> Split:
    validation = None if split.validation is None else binarize(split.validation)
    return replace(split, train=binarize(split.train), validation=validation, test=binarize(split.test))
