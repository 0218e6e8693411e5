"""Recommendation lists in the form Elliot evaluates: user -> [(item, score), ...], best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from elliot_advrec.metrics.topk import top_k_scored

Lists = dict[Any, list[tuple[Any, float]]]


def stored_lists(path: Path, users: Mapping[str, Any], items: Mapping[str, Any]) -> Lists:
    """The lists that a stage wrote, for every user of Elliot; a user without rows gets an empty one.

    Args:
        path: user, item and score, best first, the rows of one user together.
        users: our id -> Elliot's, of its users.
        items: our id -> Elliot's, of the catalog.
    """
    text = {0: str, 1: str, 2: np.float64}
    table = pd.read_csv(path, sep="\t", header=None, dtype=text, keep_default_na=False, quoting=3)
    starts = np.flatnonzero((table[0] != table[0].shift()).to_numpy())
    names, chosen = table[0].to_numpy()[starts], table[1].map(items).to_numpy(object)
    parts = zip(np.split(chosen, starts[1:]), np.split(table[2].to_numpy(), starts[1:]), strict=True)
    found = {
        users[name]: list(zip(rows.tolist(), worth.tolist(), strict=True))
        for name, (rows, worth) in zip(names, parts, strict=True)
    }
    return {user: found.get(user, []) for user in users.values()}


def best_lists(scores: Tensor, allowed: np.ndarray, users: Sequence[Any], items: np.ndarray, k: int) -> Lists:
    """The k best allowed items of a block of users, equal scores by column.

    Args:
        scores: (b, N) float.
        allowed: (b, N) bool.
        users: b of Elliot's ids.
        items: (N,) object array of Elliot's ids.
        k: length; lists are shorter where fewer items are allowed.
    """
    chosen, worth = top_k_scored(scores.masked_fill(~torch.from_numpy(allowed), -torch.inf), k)
    sizes = (chosen >= 0).sum(axis=1)
    return {
        user: list(zip(items[row[:size]].tolist(), values[:size].tolist(), strict=True))
        for user, row, values, size in zip(users, chosen, worth, sizes.tolist(), strict=True)
    }
