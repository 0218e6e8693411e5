"""Which items are pushed, and for whom: random pairs, any number of which begins every larger draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_matrix

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError
from elliot_advrec.metrics.listing import recommend, users_at_once
from elliot_advrec.seeding import stream_seed
from elliot_advrec.threats.base import Targets
from elliot_advrec.threats.mock_users import Group
from elliot_advrec.threats.popularity import Kind, pool
from elliot_advrec.threats.scene import Scene

Pair = tuple[int, int]
"""The attacked item, and what it is aimed at."""


class Draw:
    """Pairs one after the other, no pair twice.

    Raised items are random items of their kind, all of them before one comes again; lowered ones stand among
    the first k of a random user's list. What they are aimed at is, by group, a user who does not have the
    item; an item whose holders do not all have it, of the same category where there is such a one; or the
    number that decides a population.

    Args:
        scene: with a fitted recommender.
        seed: of everything random.
        group: who is attacked.
        kind: of items.
        k: list that lowered items come from.
    """

    def __init__(self, scene: Scene, seed: int, group: Group, kind: Kind, k: int) -> None:
        self.recommender, self.interactions = scene.fitted
        self.open = self.interactions.trained() if scene.known_only else None
        self.pool = pool(self.interactions, kind, known_only=scene.known_only)
        self.group, self.k = group, k
        self.by_user = _ones(self.interactions)
        self.by_item = self.by_user.tocsc()
        users, items = self.by_item.shape
        self.categories = np.full(items, -1) if scene.catalog is None else scene.catalog.category
        random = {
            name: np.random.default_rng(stream_seed(seed, "push", name))
            for name in ("users", "items", "starts of users", "starts of items")
        }
        has_history = np.diff(self.interactions.train.indptr) > 0
        if not has_history.any():
            raise UserError("no user has a history", remedy="give training interactions")
        self.users = random["users"].permutation(np.flatnonzero(has_history))
        self.order = random["items"].permutation(items)
        self.start = random["starts of users"].integers(np.iinfo(np.int64).max, size=(users, 2))
        self.item_start = random["starts of items"].integers(np.iinfo(np.int64).max, size=items)
        self.population = stream_seed(seed, "push", "population") % 2**31
        offered = items if self.open is None else int(self.open.sum())
        shorter(k, offered)

    def targets(self, pairs: int, *, raised: bool) -> Targets:
        """The first ``pairs`` of all.

        Raises:
            UserError: there are fewer.
        """
        found: dict[Pair, None] = {}
        for pair in self._raised() if raised else self._lowered():
            found[pair] = None
            if len(found) == pairs:
                break
        if len(found) < pairs:
            raise UserError(
                f"{pairs} pairs were asked for, and there are {len(found)}",
                where="pairs",
                remedy=f"ask for at most {len(found)}" if found else "nobody can be attacked by these",
            )
        drawn = np.array(list(found), dtype=np.int64)
        return Targets(drawn[:, 0], drawn[:, 1], np.full(len(drawn), raised))

    def _raised(self) -> Iterator[Pair]:
        items = self.order[np.isin(self.order, self.pool)]
        left = set(items.tolist())
        turn = 0
        while left:
            for item in items.tolist():
                if item in left:
                    aim = self._aim(item, turn)
                    if aim is None:
                        left.discard(item)
                    else:
                        yield item, aim
            turn += 1

    def _aim(self, item: int, turn: int) -> int | None:
        """The ``turn``-th aim of an item; None where it has no more."""
        if self.group == "population":
            lacking = self.by_item.indptr[item + 1] - self.by_item.indptr[item] < len(self.users)
            return self.population if turn == 0 and lacking else None
        if self.group == "specific":
            aims = self.users[~np.isin(self.users, self._holders(item))]
        else:
            aims = self._segments(item)
        return int(aims[(self.item_start[item] + turn) % len(aims)]) if turn < len(aims) else None

    def _holders(self, item: int) -> np.ndarray:
        return np.asarray(self.by_item.indices[self.by_item.indptr[item] : self.by_item.indptr[item + 1]])

    def _segments(self, item: int) -> np.ndarray:
        """(s,) other items, in random order, with a holder who does not have this one."""
        count = np.diff(self.by_item.indptr)
        both = np.asarray(self.by_user[self._holders(item)].sum(axis=0)).ravel()
        able = count > both
        able[item] = False
        alike = able & (self.categories == self.categories[item]) & (self.categories[item] >= 0)
        return self.order[(alike if alike.any() else able)[self.order]]

    def _lowered(self) -> Iterator[Pair]:
        step = users_at_once(self.by_item.shape[1])
        lists: list[np.ndarray] = []
        wanted = np.zeros(self.by_item.shape[1], dtype=bool)
        wanted[self.pool] = True
        for turn in range(self.k):
            for place, user in enumerate(self.users.tolist()):
                if turn == 0 and place % step == 0:
                    some, train = self.users[place : place + step], [self.interactions.train]
                    lists.extend(recommend(self.recommender, some, train, self.k, items=self.open))
                own = lists[place]
                own = own[(own >= 0) & wanted[own]]
                if turn < len(own):
                    item = int(own[(self.start[user, 0] + turn) % len(own)])
                    yield item, self._aim_of(user, item)

    def _aim_of(self, user: int, item: int) -> int:
        """What an item of this user's list is aimed at."""
        if self.group != "segment":
            return user if self.group == "specific" else self.population
        history = self.by_user.indices[self.by_user.indptr[user] : self.by_user.indptr[user + 1]]
        alike = history[(self.categories[history] == self.categories[item]) & (self.categories[item] >= 0)]
        aims = np.sort(alike if len(alike) else history)
        return int(aims[self.start[user, 1] % len(aims)])


def shorter(k: int, offered: int) -> None:
    """Refuse a list of ``k`` that would hold every item.

    Raises:
        UserError: it would hold all the ``offered`` items, and no place in it could be won or lost.
    """
    if k >= offered:
        raise UserError(
            f"a list of {k} holds all of the {offered} items that can be recommended",
            where="k",
            remedy=f"take cut-offs below {offered}",
        )


def _ones(interactions: Interactions) -> csr_matrix:
    """(U, N) int64 with a 1 for every stored training entry, whatever its rating."""
    train = interactions.train
    return csr_matrix((np.ones(train.nnz, np.int64), train.indices, train.indptr), shape=train.shape)
