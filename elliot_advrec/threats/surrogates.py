"""Made-up users through whose lists an item can be seen that its target's list does not show."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.metrics.listing import recommend
from elliot_advrec.metrics.training import stored_at
from elliot_advrec.recommenders import Recommender
from elliot_advrec.threats.crowd import Crowd
from elliot_advrec.threats.mock_users import SHOP, Watched, of_items
from elliot_advrec.threats.sight import PartialSight


def partial_sight(
    recommender: Recommender,
    interactions: Interactions,
    watched: Watched,
    crowd: Crowd,
    index: np.ndarray,
) -> PartialSight:
    """The sight of an adversary who wants each of the crowd's items to rise, and sees its top places alone.

    For user u and item i, i' is the best item that u does not have in the list of u(i), a user who has i
    alone (Cohen et al. 2021, 3.6: "selected from the top recommendations for u(i)").

    Args:
        recommender: under attack; takes in mock users.
        interactions: what it was fitted on.
        watched: the users u of each item.
        crowd: those users.
        index: (B, P) their places in it.
    """
    users = watched.index.ravel()
    lengths = np.diff(watched.histories.indptr)[users].astype(np.int64)
    items = np.repeat(crowd.items, watched.index.shape[1])
    added = _added(recommender, interactions, crowd, watched.histories, users, items, int(lengths.max()))
    alone = of_items(added[:, None], crowd.size)
    both = _union(watched.histories[users], alone)
    surrogates = (_fans(recommender, interactions, h, crowd) for h in (both, alone))
    return PartialSight(crowd, index, tuple(surrogates), lengths.reshape(watched.index.shape))


def _added(
    recommender: Recommender,
    interactions: Interactions,
    crowd: Crowd,
    histories: csr_matrix,
    users: np.ndarray,
    items: np.ndarray,
    longest: int,
) -> np.ndarray:
    """(m,) the item i' of each of ``users`` (m,) for each of ``items`` (m,)."""
    pushed, place = np.unique(items, return_inverse=True)
    alone = of_items(pushed[:, None], crowd.size)
    fans = recommender.fold_in(alone, interactions, seed=SHOP)
    # A user has at most ``longest`` items, so one of the next ones is new to it.
    length = min(longest + 1, crowd.size - 1)
    lists = recommend(fans, np.arange(len(pushed)), [alone], length, items=crowd.open_items)[place.ravel()]
    sorted_histories = histories.copy()
    sorted_histories.sort_indices()
    had = stored_at(sorted_histories, np.repeat(users[:, None], length, axis=1), lists) >= 0
    first = np.argmin(had | (lists < 0), axis=1)
    found: np.ndarray = lists[np.arange(len(users)), first]
    return found


def _union(histories: csr_matrix, added: csr_matrix) -> csr_matrix:
    """Stored entries of both, each with a 1."""
    ones = [
        csr_matrix((np.ones(m.nnz, np.float32), m.indices, m.indptr), m.shape) for m in (histories, added)
    ]
    found = (ones[0] + ones[1]).tocsr()
    found.sort_indices()
    return found


def _fans(recommender: Recommender, interactions: Interactions, histories: csr_matrix, like: Crowd) -> Crowd:
    """New users with these histories, asked about the same items."""
    return Crowd(
        recommender.fold_in(histories, interactions, seed=SHOP),
        np.arange(histories.shape[0]),
        histories,
        like.items,
        open_items=like.open_items,
        depth=like.depth,
        device=like.device,
    )
