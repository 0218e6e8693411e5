"""Recommenders that were run elsewhere: their lists are read from files and judged like any others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from elliot_advrec.component import Config
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.errors import UserError, nearest
from elliot_advrec.metrics.given import GivenLists, arrange, read_lists
from elliot_advrec.recommenders.base import Recommender


class ProxyRecommenderConfig(Config):
    """Settings of ``ProxyRecommender``, with Elliot's names."""

    path: Path
    """TSV of user, item and score, without a header."""
    name: str = ""
    """Name in tables; absent: that of the file, up to its last dot."""

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.name or self.path.name.rsplit(".", 1)[0]


class RecommendationFolderConfig(Config):
    """Settings of ``RecommendationFolder``: each file of a folder is a recommender of its own."""

    folder: Path
    """Folder of files as ``ProxyRecommender`` reads them; hidden files and folders in it are passed over."""


def folder_models(config: RecommendationFolderConfig) -> list[ProxyRecommenderConfig]:
    """What a folder stands for: a proxy for each file, by name.

    Raises:
        UserError: there is no such folder, it holds no file, or two of its files would have one name.
    """
    try:
        files = sorted(path for path in config.folder.iterdir() if path.is_file())
    except OSError as error:
        siblings = config.folder.parent.iterdir() if config.folder.parent.is_dir() else ()
        raise UserError(
            f"the folder cannot be read ({error.strerror or error})",
            where=str(config.folder),
            remedy=nearest(config.folder.name, [path.name for path in siblings if path.is_dir()]),
        ) from error
    proxies: dict[str, ProxyRecommenderConfig] = {}
    for path in files:
        if path.name.startswith("."):
            continue
        proxy = ProxyRecommenderConfig(path=path)
        if proxy.label in proxies:
            raise UserError(
                f"{proxies[proxy.label].path.name} and {path.name} are both called '{proxy.label}'",
                where=str(config.folder),
                remedy="rename one of them",
            )
        proxies[proxy.label] = proxy
    if not proxies:
        raise UserError(
            "the folder holds no lists",
            where=str(config.folder),
            remedy="put files of lists there",
        )
    return list(proxies.values())


class ProxyRecommender(Recommender):
    """Lists that somebody else made, read from a file, as Elliot's ``RecommendationFolder`` reads them.

    A user's rows go by score, equal ones as they stand in the file. Of the first ``length``, items seen in
    training or unknown are left out and nothing takes their place. Users without a row have no list and are
    not judged, as in Elliot: ``judge(given.users, given.lists, ...)``.

    ``scores`` say the same to whatever asks for scores: the number of places from an item to the list's end,
    and -inf where it is not listed; they cannot say that an item comes twice, and Elliot's own Random does.
    """

    config_class = ProxyRecommenderConfig
    item_ids: Sequence[str] | None = None
    """(N,) ids of the catalog's rows; set them before ``fit``."""
    length: int | None = None
    """How many rows of a user are looked at, Elliot's ``top_k``; None: all. Set it before ``fit``."""
    candidates: csr_matrix | None = None
    """(U, N), stored entries are all that may be recommended, seen or not; None: what is unseen."""

    @property
    def given(self) -> GivenLists:
        """The lists, for ``metrics.ranking.judge``."""
        return self._given

    @property
    def notes(self) -> list[str]:
        """What was left out or repeated, one sentence each, for every report."""
        said = [
            (self._strangers, "rows are of users without training rows and are left out"),
            (self._given.dropped, "rows name an item that is unknown or was seen in training: left out"),
            (self._given.repeated, "rows name an item again, which counts again"),
            (self._users - len(self._given.users), "users have no list and are not judged"),
        ]
        return [f"{self.config.label}: {count} {what}" for count, what in said if count]

    def fit(
        self,
        interactions: Interactions,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 42,
        device: str | torch.device = "cpu",
    ) -> None:
        """Read the file.

        Raises:
            UserError: the file cannot be read, or none of its users or items is known.
        """
        if self.item_ids is None:
            raise UserError("ProxyRecommender needs the catalog's ids", where=str(self.config.path))
        table = read_lists(self.config.path)
        known = table["user"].isin(interactions.users)
        if not known.any():
            raise UserError(
                f"no user of it has training rows; the first is '{table['user'].iloc[0]}'",
                where=str(self.config.path),
                remedy=f"ids must be those of the interactions, as '{interactions.users[0]}'",
            )
        self._strangers = int((~known).sum())
        table = table[known]
        self._users, self._items = interactions.train.shape
        self._given = arrange(
            table,
            interactions.users,
            self.item_ids,
            interactions.train,
            self.length or int(table["user"].value_counts().max()),
            candidates=self.candidates,
            where=str(self.config.path),
        )

    def scores(self, users: np.ndarray) -> Tensor:
        length = self._given.lists.shape[1]
        row = np.full(self._users, -1, dtype=np.int64)
        row[self._given.users] = np.arange(len(self._given.users))
        lists = np.full((len(users), length), -1, dtype=np.int64)
        chosen = row[np.asarray(users, dtype=np.int64)]
        lists[chosen >= 0] = self._given.lists[chosen[chosen >= 0]]
        found = torch.full((len(users), self._items), -torch.inf)
        # From the last place to the first, so that of an item that comes twice the first place stays.
        for place in reversed(range(length)):
            listed = np.flatnonzero(lists[:, place] >= 0)
            found[listed, lists[listed, place]] = float(length - place)
        return found

    def _state(self) -> dict[str, np.ndarray]:
        counts = [self._users, self._items, self._strangers, self._given.dropped, self._given.repeated]
        return {"users": self._given.users, "lists": self._given.lists, "counts": np.array(counts)}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._users, self._items, self._strangers, dropped, repeated = map(int, state["counts"])
        self._given = GivenLists(state["users"], state["lists"], dropped, repeated)
