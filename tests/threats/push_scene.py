"""A recommender whose factors are written down, and scenes around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from elliot_advrec.component import validate
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.context import FitContext
from elliot_advrec.recommenders.vbpr import VBPR, VBPRConfig
from elliot_advrec.threats import THREATS, Scene, Threat

SIZE = 8


def interactions(train: np.ndarray) -> Interactions:
    train = np.asarray(train, dtype=np.float32)
    held = csr_matrix(np.zeros_like(train))
    return Interactions([f"u{i}" for i in range(len(train))], csr_matrix(train), None, held, True, [])


def catalog(items: int, categories: int = 0) -> Catalog:
    category = np.arange(items) % categories if categories else np.full(items, -1)
    return Catalog(
        [f"item{i}" for i in range(items)],
        category.astype(np.int64),
        [f"c{i}" for i in range(categories)],
        None,
        [],
        np.full(items, "train"),
        [],
    )


def vbpr(users: Any, items: Any, bias: Any, projection: Any, embeddings: np.ndarray) -> VBPR:
    """A VBPR with these weights: users (U, K + d), items (N, K), bias (N,), projection (d + 1, D)."""
    weights = {name: torch.as_tensor(np.asarray(value, np.float32)) for name, value in
               (("users", users), ("items", items), ("bias", bias), ("projection", projection))}  # fmt: skip
    look = torch.from_numpy(np.asarray(embeddings, np.float32)) @ weights["projection"].t()
    state = {f"parameter/{name}": value.numpy() for name, value in weights.items()}
    state["users"] = weights["users"].numpy()
    state["items"] = torch.cat([weights["items"], look[:, :-1]], 1).t().contiguous().numpy()
    state["bias"] = (weights["bias"] + look[:, -1]).numpy()
    made = VBPR(VBPRConfig(epochs=30, batch_size=64, lr=0.01))
    made._restore(state)
    return made


class Extractor(nn.Module):
    """A small embedder with fixed weights: (B,3,8,8) -> (B,12)."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.weight = torch.randn(12, 3, 4, 4, generator=random) / 4

    def embed(self, pixels: Tensor) -> Tensor:
        return torch.conv2d(pixels, self.weight.to(pixels), stride=2).relu().mean((2, 3))


class World:
    """40 users with a taste for what pictures show; 60 items, of which the last 12 are cold."""

    def __init__(self, recommender: str = "VBPR", categories: int = 4, **settings: Any) -> None:
        random = np.random.default_rng(1)
        self.images = torch.rand(60, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
        self.extractor = Extractor()
        self.embeddings = self.extractor.embed(self.images).numpy()
        taste = random.normal(size=(40, 12))
        like = taste @ (self.embeddings - self.embeddings.mean(0)).T
        like[:, :48] += random.gumbel(size=(40, 48)) * 0.2 + np.linspace(1, 0, 48)
        train = np.zeros((40, 60))
        for user in range(40):
            train[user, np.argsort(-like[user, :48])[: 4 + user % 4]] = 1
        untaken = np.flatnonzero(~train[:, :48].any(axis=0))
        train[untaken % 40, untaken] = 1
        self.interactions = interactions(train)
        self.catalog = catalog(60, categories)
        kind = RECOMMENDERS.get(recommender)
        if not settings and recommender != "ContentKNN":
            settings = {"epochs": 30, "batch_size": 32, "lr": 0.01, "factors": 6}
            settings |= {"factors_d": 6} if recommender == "VBPR" else {}
        self.recommender: Recommender = kind(validate(kind.config_class, settings, recommender))
        self.recommender.context = FitContext(categories=self.catalog.category)
        self.recommender.fit(self.interactions, self.embeddings, seed=3)

    def scene(self, **changes: Any) -> Scene:
        given: dict[str, Any] = {
            "embeddings": self.embeddings,
            "catalog": self.catalog,
            "pixels": lambda rows: self.images[torch.from_numpy(np.asarray(rows))],
            "recommender": self.recommender,
            "interactions": self.interactions,
        }
        return Scene(**{**given, **changes})


def threat(kind: str, **settings: Any) -> Threat:
    found = THREATS.get(kind)
    return found(validate(found.config_class, settings, kind))


def naive_rank(scores: np.ndarray, own: float, item: int, history: set[int], *, raised: bool = True) -> int:
    """1 + items that may be recommended, other than ``item``, and stand before a score; item by item."""
    rank = 1
    for other, score in enumerate(scores):
        if other != item and other not in history and (score >= own if raised else score > own):
            rank += 1
    return rank
