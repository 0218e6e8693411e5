"""Simulated users who like what they see: taste first, popularity second, luck third.

A user has a few interests, each the description of a real item, blurred. Items are chosen without
replacement with probability proportional to exp(sharpness * affinity) * popularity (Gumbel top-k, Kool et al.
2019), so whoever can describe the pictures can predict the choices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from elliot_advrec.data.appearance import visual_features
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.pixel_file import PixelFile
from elliot_advrec.errors import UserError
from elliot_advrec.progress import Advance
from elliot_advrec.seeding import stream_seed

_BLUR = 0.35
"""Length of the noise on an interest, in units of the description it blurs."""
_BLOCK_FLOATS = 6_000_000
"""Affinities held at once: bounds memory whatever the number of users."""
_START, _GAP = 1_600_000_000, 6 * 3600
"""First possible timestamp and mean seconds between a user's interactions."""


def describe(catalog: Catalog, pixels: PixelFile | None = None) -> np.ndarray:
    """What users may have a taste for: (N, F) float32 rows of unit length.

    ``catalog.taste`` where there is one; otherwise category, attributes and, given ``pixels``, the look of
    the pictures, each with the same weight.

    Raises:
        UserError: the catalog has no labels and no pixels are given.
    """
    if catalog.taste is not None:
        return _unit(np.asarray(catalog.taste, np.float32))
    parts: list[np.ndarray] = []
    if catalog.categories:
        category = np.zeros((len(catalog.ids), len(catalog.categories)), np.float32)
        known = np.flatnonzero(catalog.category >= 0)
        category[known, catalog.category[known]] = 1
        parts.append(category)
    if catalog.attributes is not None and catalog.attributes.nnz:
        parts.append(_unit(catalog.attributes.toarray().astype(np.float32)))
    if pixels is not None:
        parts.append(visual_features(pixels))
    if not parts:
        raise UserError(
            "users cannot be simulated: the catalog has no categories, no attributes and no pixels",
            where="catalog",
            remedy="name the interactions (data_config.dataset_path), or give labels",
        )
    return _unit(np.hstack(parts))


def usual_users(items: int) -> int:
    """How many users are simulated where nobody says."""
    return min(max(100, items // 3), 5000)


def simulate(
    catalog: Catalog,
    *,
    users: int | None = None,
    per_user: tuple[int, int] | None = None,
    seed: int,
    features: np.ndarray | None = None,
    sharpness: float = 2.5,
    popularity: float = 0.5,
    cold: float = 0.0,
    interests: int = 3,
    pixels: PixelFile | None = None,
    advance: Advance = lambda units: None,
) -> pd.DataFrame:
    """Interactions of simulated users; a user's rows do not depend on how many others there are.

    Args:
        catalog: N items.
        users: at least 1; None: one for every three items, but 100 at least and 5,000 at most.
        per_user: fewest and most interactions of a user, drawn evenly between; None: 5 to 20, less where the
            catalog is small.
        seed: of all that is random here.
        features: (N, F) what users have a taste for, in place of what ``describe`` gives.
        sharpness: weight of the affinity (in its standard deviations over the catalog); 0: taste is ignored.
        popularity: exponent of the long tail: the r-th most popular item has weight r ** -popularity.
        cold: share of items in [0, 1) that are new: nobody has taken one yet. Drawn evenly.
        interests: most interests of a user.
        pixels: the catalog's pictures, used where it has no ``taste`` and no ``features`` are given.
        advance: told how many users more there are.

    Returns:
        Columns user ("u0001", ...), item (a catalog id), rating (1.0 to 5.0) and timestamp (seconds, strictly
        increasing within a user), sorted by user and timestamp; ``attrs["simulated"]`` is True.

    Raises:
        UserError: numbers that do not fit the catalog, or nothing to have a taste for.
    """
    n = len(catalog.ids)
    users = usual_users(n) if users is None else users
    per_user = (min(5, max(1, n // 4)), min(20, max(1, n // 2))) if per_user is None else per_user
    least, most = per_user
    if users < 1 or interests < 1 or not 1 <= least <= most:
        raise UserError(
            f"cannot simulate {users} users with {interests} interests and {least} to {most} interactions",
            remedy="use positive numbers, the fewest first",
        )
    new = np.random.default_rng(stream_seed(seed, "cold")).permutation(n)[: int(cold * n)]
    if most > n - len(new):
        raise UserError(
            f"a user cannot have {most} interactions in a catalog of {n} items"
            + (f", {len(new)} of them cold" if len(new) else ""),
            remedy="lower per_user" + (" or cold" if len(new) else ""),
        )
    described = describe(catalog, pixels) if features is None else _unit(np.asarray(features, np.float32))
    if len(described) != n:
        raise ValueError(f"features must have a row for each of {n} items, got {len(described)}")
    rank = np.random.default_rng(stream_seed(seed, "popularity")).permutation(n) + 1
    bias = (-popularity * np.log(rank)).astype(np.float32)
    bias[new] = -np.inf
    block = max(1, _BLOCK_FLOATS // (n * interests))
    drawn = []
    for start in range(0, users, block):
        some = range(start, min(start + block, users))
        drawn.append(_block(described, bias, some, per_user, seed, sharpness, interests))
        advance(len(some))
    user, item, rating, timestamp = (np.concatenate(column) for column in zip(*drawn, strict=True))
    width = max(4, len(str(users)))
    names = np.array([f"u{number + 1:0{width}d}" for number in range(users)], dtype=object)
    ids = np.array(catalog.ids, dtype=object)
    frame = pd.DataFrame({"user": names[user], "item": ids[item], "rating": rating, "timestamp": timestamp})
    frame.attrs["simulated"] = True
    return frame


def _block(
    described: np.ndarray,
    bias: np.ndarray,
    users: range,
    per_user: tuple[int, int],
    seed: int,
    sharpness: float,
    interests: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """User numbers, item rows, ratings and timestamps of a few users."""
    n, width = described.shape
    streams = [np.random.default_rng(stream_seed(seed, "user", user)) for user in users]
    wanted = np.empty((len(users), interests, width), np.float32)
    for place, stream in enumerate(streams):
        anchors = stream.integers(n, size=interests)
        # Fewer interests than the most: the first ones again, which the maximum below does not notice.
        anchors = anchors[np.arange(interests) % stream.integers(1, interests + 1)]
        noise = stream.normal(0, _BLUR / np.sqrt(width), (interests, width))
        wanted[place] = described[anchors] + noise
    affinity = (wanted.reshape(-1, width) @ described.T).reshape(len(users), interests, n).max(1)
    affinity -= affinity.mean(1, keepdims=True)
    affinity /= np.maximum(affinity.std(1, keepdims=True), 1e-6)
    columns: list[tuple[np.ndarray, ...]] = []
    for user, stream, liking in zip(users, streams, affinity, strict=True):
        count = int(stream.integers(per_user[0], per_user[1] + 1))
        gumbel = -np.log(stream.standard_exponential(n, dtype=np.float32) + 1e-20)
        key = sharpness * liking + bias + gumbel
        chosen = np.argpartition(-key, count - 1)[:count]
        # In random order: the last one in time must not be the one that was least likely.
        chosen = stream.permutation(np.sort(chosen))
        felt = 0.8 + 0.8 * liking[chosen] + stream.normal(0, 0.6, count)
        rating = np.clip(np.rint(felt), 1, 5).astype(np.float64)
        gaps = np.ceil(stream.exponential(_GAP, count)).astype(np.int64) + 1
        time = _START + int(stream.integers(0, 180 * 86400)) + np.cumsum(gaps)
        columns.append((np.full(count, user), chosen, rating, time))
    user_rows, items, ratings, times = (np.concatenate(column) for column in zip(*columns, strict=True))
    return user_rows, items, ratings, times


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-8)
