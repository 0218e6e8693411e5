"""The worst small change of a catalog's features, to measure how robust a recommender is to them."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from elliot_advrec.data.interactions import Interactions
from elliot_advrec.recommenders.bpr.factors import FactorRecommender
from elliot_advrec.recommenders.bpr.features import as_tensor
from elliot_advrec.recommenders.bpr.sampling import TripleSampler
from elliot_advrec.recommenders.embeddings import check_embeddings
from elliot_advrec.seeding import stream_seed


def feature_noise(
    recommender: FactorRecommender,
    interactions: Interactions,
    embeddings: np.ndarray,
    eps: float,
    *,
    steps: int = 1,
    step: float | None = None,
    seed: int = 42,
) -> np.ndarray:
    """Features of the whole catalog, each changed by at most ``eps`` so that the pairwise loss rises.

    One step is the noise that AMR is measured under (Tang et al. 2019, section 5.3); several, with a
    projection after each, are MSAP (Anelli et al. 2021). An item has one change, which all triples of an
    epoch in which it is held speak for; an item that no triple holds is not changed.

    Args:
        recommender: fitted; keeps its weights.
        interactions: what it was fitted on.
        embeddings: (N, D) clean features.
        eps: largest L2 length of the change of one item's features.
        steps: gradient steps.
        step: length of each; absent: ``eps`` for one step, else 2.5 eps / steps.
        seed: decides the triples.

    Returns:
        (N, D) float32.
    """
    items = interactions.train.shape[1]
    clean = as_tensor(check_embeddings(embeddings, items, type(recommender).__name__))
    triples = TripleSampler(interactions.train, stream_seed(seed, "noise")).epoch(0)
    rows, users = np.arange(items), torch.from_numpy(recommender.user_factors())
    length = (eps if steps == 1 else 2.5 * eps / steps) if step is None else step
    change = torch.zeros_like(clean)
    for _ in range(steps):
        noisy = (clean + change).requires_grad_(True)
        side = recommender.item_side(rows, noisy)
        taken, not_taken = side.factors[triples.positives], side.factors[triples.negatives]
        preference = (users[triples.users] * (taken - not_taken)).sum(1)
        preference = preference + side.bias[triples.positives] - side.bias[triples.negatives]
        (slope,) = torch.autograd.grad(functional.softplus(-preference).sum(), noisy)
        change = change + length * functional.normalize(slope, dim=1)
        change = change * (eps / change.norm(dim=1, keepdim=True).clamp(min=1e-30)).clamp(max=1)
    return (clean + change).numpy()
