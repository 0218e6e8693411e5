"""Measures of how novel and popular each user's list is. Every formula: (judged, cutoff) -> (n,) float64."""

from __future__ import annotations

import numpy as np

from elliot_advrec.metrics.accuracy import discounts
from elliot_advrec.metrics.judged import Judged, first_of_its_kind


def complement(judged: Judged, k: int) -> np.ndarray:
    """Expected popularity complement of what was hit, by rank (EPC, Vargas & Castells 2011)."""
    return _novelty(judged, k, judged.training.rarity)


def free_discovery(judged: Judged, k: int) -> np.ndarray:
    """Expected free discovery of what was hit, by rank, in bits (EFD, Vargas & Castells 2011)."""
    return _novelty(judged, k, judged.training.surprise)


def mean_popularity(judged: Judged, k: int) -> np.ndarray:
    """Mean number of training users of the listed items (ARP, Yin et al. 2012).

    This and the next are 0 for an empty list, where Elliot divides by nought and stops.
    """
    listed = np.minimum(judged.lengths, k)
    return _sum(judged.lists[:, :k], judged.training.popularity) / np.maximum(listed, 1)


def tail_share(judged: Judged, k: int) -> np.ndarray:
    """Different long-tail items over the length of the list (APLT, Abdollahpouri et al. 2019)."""
    return tail_count(judged, k) / np.maximum(np.minimum(judged.lengths, k), 1)


def tail_count(judged: Judged, k: int) -> np.ndarray:
    """Different long-tail items in the list (ACLT, Abdollahpouri et al. 2019)."""
    lists = judged.lists[:, :k]
    return _sum(np.where(first_of_its_kind(lists), lists, -1), judged.training.tail)


def _novelty(judged: Judged, k: int, novelty: np.ndarray) -> np.ndarray:
    discount = discounts(k)
    hits = judged.hits.within(k)
    gained = judged.sum(hits, discount[hits.rank] * novelty[hits.item])
    norm = np.append(0.0, np.cumsum(discount))[np.minimum(judged.lengths, k)]
    return np.divide(gained, norm, out=np.zeros_like(gained), where=norm > 0)


def _sum(lists: np.ndarray, of_item: np.ndarray) -> np.ndarray:
    # -1, which ends a list, is the last place of an array: nought.
    return np.append(of_item, 0)[lists].sum(axis=1).astype(np.float64)
