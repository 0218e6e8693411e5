"""Elliot's data in our form: its items in its order, their interactions, and their features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.data.features import open_features, read_matrix
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.hosts.inside.agreement import matrix
from elliot_advrec.hosts.inside.telling import Telling

Ratings = Mapping[Any, Mapping[Any, float]]


@dataclass(frozen=True)
class Given:
    """What a recommender of ours is fitted on.

    Attributes:
        items: (N,) object array of Elliot's ids: first those with training rows, in Elliot's order, then
            those that are held out alone. Elliot recommends none of the latter; our own host has them too,
            so that tables have one size in both and the same seed gives the same model.
        trained: how many items have training rows.
        interactions: over ``items``.
        features: (N, D) float32; None where no features are named.
    """

    items: np.ndarray
    trained: int
    interactions: Interactions
    features: np.ndarray | None


def read_given(data: Any, features: Path | None) -> Given:
    """Elliot's ``DataSet`` for a fit.

    Args:
        data: Elliot's.
        features: file or folder of item features; items that are held out and have none are left out.

    Raises:
        UserError: features that cannot be read, or that items with training rows lack.
    """
    known = [data.private_items[place] for place in range(data.num_items)]
    file = None if features is None else open_features(features)
    there = None if file is None else set(file.ids)
    held = {
        str(item): item
        for part in (data.get_validation(), data.get_test())
        for rated in (part or {}).values()
        for item in rated
        if item not in data.public_items and (there is None or str(item) in there)
    }
    items = np.empty(len(known) + len(held), dtype=object)
    items[:] = [*known, *(held[name] for name in sorted(held))]
    values = None
    if file is not None and there is not None:
        names = [str(item) for item in items]
        _check(names[: len(known)], there, file.path)
        read = read_matrix(file, names)
        for note in read.notes:
            Telling().say(note)
        values = np.asarray(read.values)
    return Given(items, len(known), _interactions(data, items), values)


def side_information(data: Any) -> Path | None:
    """The folder of Elliot's ``VisualAttribute`` loader, where the recipe has one."""
    side = getattr(getattr(data, "side_information", None), "VisualAttributes", None)
    named = getattr(side, "visual_feature_folder_path", None)
    return None if named is None else Path(named)


def _check(names: list[str], there: set[str], path: Path) -> None:
    missing = [name for name in names if name not in there]
    # Where no item has any, the ids are of another kind, which reading them says.
    if missing and len(missing) < len(names):
        raise UserError(
            f"{len(missing)} of {len(names)} items with training rows have no features"
            f" (first: '{missing[0]}')",
            where=str(path),
            remedy="extract them, or take the items' rows out of the data",
        )


def _interactions(data: Any, items: np.ndarray) -> Interactions:
    column = {item: number for number, item in enumerate(items.tolist())}
    shape = (data.num_users, len(column))

    def part(ratings: Ratings) -> Any:
        kept = {user: {i: r for i, r in rated.items() if i in column} for user, rated in ratings.items()}
        return matrix(kept, data.public_users, column, shape)

    validation = data.get_validation()
    return Interactions(
        [str(user) for user in data.private_users.values()],
        part(data.train_dict),
        None if validation is None else part(validation),
        part(data.get_test()),
        simulated=False,
        notes=[],
    )
