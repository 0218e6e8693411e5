"""Data small enough that the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from tiny_network import pictures

from elliot_advrec.component import validate
from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders import RECOMMENDERS, Recommender
from elliot_advrec.recommenders.context import FitContext

SMALL: dict[str, dict[str, Any]] = {
    "DVBPR": {"factors": 8, "backbone": "tiny_colours"},  # its embeddings are as wide as those of the data
}
"""Settings without which a recommender would take minutes on the small data."""
Make = Callable[..., Recommender]


def interactions(train: np.ndarray, test: np.ndarray | None = None) -> Interactions:
    train = np.asarray(train, dtype=np.float32)
    held = csr_matrix(np.zeros_like(train) if test is None else np.asarray(test, dtype=np.float32))
    return Interactions([f"u{i}" for i in range(len(train))], csr_matrix(train), None, held, True, [])


@pytest.fixture
def checkerboard() -> tuple[Interactions, np.ndarray]:
    """8 users, 10 items: even users like even items, odd ones odd; each misses one item of its colour."""
    users, items = np.indices((8, 10))
    same = (users + items) % 2 == 0
    missing = items == (users + 2 * (users // 2)) % 10
    angle = np.where(np.arange(10) % 2 == 0, 0.0, np.pi / 2) + np.arange(10) * 0.01
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.arange(1, 11)[:, None]
    return interactions(same & ~missing, same & missing), embeddings.astype(np.float32)


@pytest.fixture
def random_data() -> tuple[Interactions, np.ndarray]:
    """30 users, 60 items, 6 interactions each, 8-d embeddings with some equal rows and a zero row."""
    generator = np.random.default_rng(3)
    train = np.zeros((30, 60))
    for row in train:
        row[generator.choice(60, 6, replace=False)] = generator.integers(1, 6, 6)
    embeddings = generator.normal(size=(60, 8)).astype(np.float32)
    embeddings[[5, 6]] = embeddings[4]
    embeddings[9] = 0
    return interactions(train), embeddings


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> FitContext:
    """All that a recommender may ask for of a catalog of 60 items."""
    folder = tmp_path_factory.mktemp("pictures")
    return FitContext(categories=np.arange(60) % 5 - 1, pixels=pictures(folder, 60))


@pytest.fixture
def make(context: FitContext) -> Make:
    """A recommender by name, with settings over those that keep it small."""

    def build(name: str, **settings: Any) -> Recommender:
        kind = RECOMMENDERS.get(name)
        made = kind(validate(kind.config_class, {**SMALL.get(name, {}), **settings}, name))
        made.context = context
        return made

    return build
