"""A shop small enough to attack in seconds: pictures, an extractor with a head, users with a taste."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.attacks import Budget
from elliot_advrec.attacks.pgd import PGD, PGDConfig
from elliot_advrec.data.catalog import Catalog
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.extractors.features import Features
from elliot_advrec.recommenders import RECOMMENDERS
from elliot_advrec.recommenders.context import FitContext
from elliot_advrec.streams import Streams
from elliot_advrec.threats import Scene, Targets, Threat

ITEMS, USERS, SIZE = 90, 40, 12
NAMES = ["boot", "coat", "hat"]


class Tiny(nn.Module):
    """Two convolutions with fixed random weights, and a category head that was fitted to the shop."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.first = torch.randn(8, 3, 3, 3, generator=random) * 0.4
        self.second = torch.randn(16, 8, 3, 3, generator=random) * 0.2
        self.head = nn.Linear(16, len(NAMES)).requires_grad_(False)

    def embed(self, pixels: Tensor) -> Tensor:
        hidden = functional.silu(torch.conv2d(pixels - 0.5, self.first.to(pixels), stride=2))
        return 4 * functional.silu(torch.conv2d(hidden, self.second.to(pixels))).mean((2, 3))

    def classify(self, embedding: Tensor) -> Features:
        found = functional.linear(embedding, self.head.weight.to(embedding), self.head.bias.to(embedding))
        return Features(embedding, found, None)


@dataclass(frozen=True)
class Shop:
    """All parts of it."""

    images: Tensor
    extractor: Tiny
    scene: Scene


@cache
def shop(recommender: str = "VBPR") -> Shop:
    """Boots are reddish, coats greenish, hats bluish; hats are least taken, and each user has a favourite."""
    random = np.random.default_rng(0)
    category = np.arange(ITEMS) % 3
    images = torch.from_numpy(random.uniform(0.1, 0.55, (ITEMS, 3, SIZE, SIZE)).astype(np.float32))
    images[torch.arange(ITEMS), torch.from_numpy(category)] += 0.15
    extractor = Tiny()
    embeddings = extractor.embed(images)
    fit_head(extractor, embeddings, category)
    favourite = random.choice(3, USERS, p=[0.6, 0.35, 0.05])
    liking = 3.0 * (category == favourite[:, None]) + random.gumbel(size=(USERS, ITEMS))
    taken = np.argsort(-liking, axis=1)[:, :9]
    train, test = np.zeros((USERS, ITEMS), np.float32), np.zeros((USERS, ITEMS), np.float32)
    np.put_along_axis(train, taken[:, 1:], 1, 1)
    np.put_along_axis(test, taken[:, :1], 1, 1)
    users = [f"u{row}" for row in range(USERS)]
    interactions = Interactions(users, csr_matrix(train), None, csr_matrix(test), True, [])
    kind = RECOMMENDERS.get(recommender)
    settings: dict[str, Any] = {"epochs": 30, "lr": 0.02, "factors": 4, "batch_size": 64}
    if recommender != "DeepStyle":
        settings["factors_d"] = 6
    fitted = kind(kind.config_class(**settings))
    fitted.context = FitContext(categories=category)
    fitted.fit(interactions, embeddings.numpy(), seed=1)
    scene = Scene(
        embeddings, catalog(category), extractor.classify, recommender=fitted, interactions=interactions
    )
    return Shop(images, extractor, scene)


def catalog(category: np.ndarray, names: list[str] = NAMES) -> Catalog:
    """A catalog of these labels."""
    return Catalog(
        ids=[f"item{row}" for row in range(len(category))],
        category=category.astype(np.int64),
        categories=names,
        attributes=None,
        attribute_names=[],
        split=np.full(len(category), "train"),
        pictures=[],
    )


def fit_head(extractor: Tiny, embeddings: Tensor, category: np.ndarray) -> None:
    """Least squares on the shop's labels, sharpened to logits."""
    columns = torch.cat([embeddings, torch.ones(len(embeddings), 1)], 1)
    wanted = functional.one_hot(torch.from_numpy(category), len(NAMES)).float()
    solution = torch.linalg.lstsq(columns, wanted).solution.T * 8
    extractor.head.weight.copy_(solution[:, :-1])
    extractor.head.bias.copy_(solution[:, -1])


def attacked(
    made: Shop, threat: Threat, targets: Targets, eps: float, by: Any = None, steps: int = 15
) -> Tensor:
    """(n,D) embeddings of the pictures that PGD found.

    Args:
        by: name of the other loss to follow.
    """
    loss = threat.loss(made.scene, made.extractor, targets)
    followed = loss if by is None else lambda x, rows: loss.others[by](made.extractor.embed(x), rows)
    images = made.images[torch.from_numpy(targets.attack)]
    attack = PGD(PGDConfig(steps=steps, step_rule="cosine"))
    found = attack(followed, images, Budget("linf", eps), Streams(range(len(targets))))
    return made.extractor.embed(found.images)
