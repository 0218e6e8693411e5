"""Measures of all lists together, where no user has a value. Every formula: (judged, cutoff) -> float."""

from __future__ import annotations

import numpy as np

from elliot_advrec.metrics.accuracy import above_others
from elliot_advrec.metrics.judged import Judged, first_of_its_kind
from elliot_advrec.metrics.training import stored_at


def item_coverage(judged: Judged, k: int) -> float:
    """How many items are in some list."""
    return float((_listed(judged, k) > 0).sum())


def user_coverage(judged: Judged, k: int) -> float:
    """How many users have a list that is not empty, whatever the cutoff."""
    return float((judged.lengths > 0).sum())


def user_coverage_at_n(judged: Judged, k: int) -> float:
    """How many users have a list of k items."""
    return float((judged.lengths >= k).sum())


def gini(judged: Judged, k: int) -> float:
    """1 - Gini index of how often items are listed: 1 all alike, 0 one alone (Castells et al. 2015)."""
    counts = np.sort(_listed(judged, k))
    counts, items = counts[counts > 0], judged.training.items
    if items < 2 or not len(counts):
        return 1.0
    place = np.arange(len(counts)) + items - len(counts) + 1
    return float(1 - ((2 * place - items - 1) * (counts / counts.sum())).sum() / (items - 1))


def shannon_entropy(judged: Judged, k: int) -> float:
    """Bits of surprise of a listed item, a mean over users; 0 where all lists are one item."""
    counts = _listed(judged, k)
    lists = judged.lists[:, :k]
    lengths = np.minimum(judged.lengths, k)
    weights = np.broadcast_to((1 / np.maximum(lengths, 1))[:, None], lists.shape)
    weight = np.bincount(lists[lists >= 0], weights[lists >= 0], minlength=len(counts))
    some = counts > 0
    bits = -np.log2(counts[some] / counts.sum())
    return float((weight[some] * bits).sum() / len(lists))


def auc(judged: Judged, k: int) -> float:
    """Mean share of other items that a relevant item stands above, whatever the cutoff; needs complete ranks.

    nan where no relevant item was ranked at all.
    """
    shares = above_others(judged)
    return float(shares.mean()) if len(shares) else float("nan")


def statistical_parity(judged: Judged, k: int) -> float:
    """How unevenly short head and long tail are listed, 0 for evenly (Zhu et al. 2020, RSP over popularity).

    Standard deviation over mean of two shares: of what a user had not seen, how much is listed.
    """
    training = judged.training
    lists = judged.lists[:, :k]
    counts = np.bincount(lists[first_of_its_kind(lists)], minlength=len(training.popularity))
    seen = np.bincount(training.train[judged.users].indices, minlength=len(counts))
    unseen = len(judged.users) - seen
    return _spread(
        [counts[group].sum() for group in (training.head, training.tail)],
        [unseen[group].sum() for group in (training.head, training.tail)],
    )


def equal_opportunity(judged: Judged, k: int) -> float:
    """The same of what a user holds relevant (Zhu et al. 2020, REO over popularity)."""
    training, hits, ideal = judged.training, judged.hits.within(k), judged.ideal
    listed = np.unique(np.stack([hits.row, hits.item]), axis=1)[1]
    unseen = ideal.item[stored_at(training.train, judged.users[ideal.row], ideal.item) < 0]
    return _spread(
        [group[listed].sum() for group in (training.head, training.tail)],
        [group[unseen].sum() for group in (training.head, training.tail)],
    )


def _listed(judged: Judged, k: int) -> np.ndarray:
    """(N,) in how many lists each item is."""
    lists = judged.lists[:, :k]
    return np.bincount(lists[lists >= 0], minlength=len(judged.training.popularity))


def _spread(listed: list[int], possible: list[int]) -> float:
    """Standard deviation over mean of the two shares; nan where a share, or their mean, is of nothing."""
    if min(possible) == 0 or sum(listed) == 0:
        return float("nan")
    shares = np.array(listed) / np.array(possible)
    return float(shares.std() / shares.mean())
