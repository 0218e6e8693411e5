"""Measures of each user's list by its relevant items. Every formula: (judged, cutoff) -> (n,) float64.

Sums run in Elliot's order, rank by rank: rank tests count equal differences, which a last digit would part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from elliot_advrec.metrics.judged import Hits, Judged, place_in_group

#: Numbers that a list metric over all prefixes holds at once.
BLOCK = 1 << 22


def discounts(k: int) -> np.ndarray:
    """(k,) logarithmic discount of ranks 0 to k - 1: 1 / log2(rank + 2)."""
    return np.array([1 / math.log(rank + 2) * math.log(2) for rank in range(k)])


def ndcg(judged: Judged, k: int) -> np.ndarray:
    """Normalised discounted gain (Jarvelin & Kekalainen 2002, with exponential gains)."""
    discount = discounts(k)

    def discounted(hits: Hits) -> np.ndarray:
        return judged.sum(hits, hits.gain * discount[hits.rank])

    return discounted(judged.hits.within(k)) / discounted(judged.ideal.within(k))


def ndcg_binary(judged: Judged, k: int) -> np.ndarray:
    """The same with a gain of 1 for every relevant item (Rendle et al. 2020)."""
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal, hits = judged.ideal.within(k), judged.hits.within(k)
    best = 1 / judged.sum(ideal, discount[ideal.rank])
    return best * judged.sum(hits, discount[hits.rank])


def hit_rate(judged: Judged, k: int) -> np.ndarray:
    """1 where a relevant item is in the list."""
    return (judged.sum(judged.hits.within(k)) > 0).astype(np.float64)


def precision(judged: Judged, k: int) -> np.ndarray:
    """Relevant items in the list over the cutoff, also for a shorter list."""
    return judged.sum(judged.hits.within(k)) / k


def recall(judged: Judged, k: int) -> np.ndarray:
    """Relevant items in the list over all of the user's."""
    return judged.sum(judged.hits.within(k)) / judged.total


def f1(judged: Judged, k: int) -> np.ndarray:
    """Harmonic mean of precision and recall, 0 where both are."""
    p, r = precision(judged, k), recall(judged, k)
    return np.divide(2 * p * r, p + r, out=np.zeros_like(p), where=p > 0)


def mean_precision(judged: Judged, k: int) -> np.ndarray:
    """Mean of precision at 1, 2, ..., k, relevant or not (Elliot's MAP)."""
    return np.concatenate([(c / np.arange(1, k + 1)).mean(axis=1) for c, _ in _hits_so_far(judged, k)])


def mean_recall(judged: Judged, k: int) -> np.ndarray:
    """Mean of recall at 1, 2, ..., k."""
    return np.concatenate([(c / total[:, None]).mean(axis=1) for c, total in _hits_so_far(judged, k)])


def reciprocal_rank(judged: Judged, k: int) -> np.ndarray:
    """1 / rank of the first relevant item, counted from 1; 0 where there is none."""
    hits = judged.hits.within(k)
    first = hits.only(place_in_group(hits.row) == 0)
    return judged.sum(first, 1 / (first.rank + 1))


def retrieved(judged: Judged, k: int) -> np.ndarray:
    """Items in the list, k at most."""
    return np.minimum(judged.lengths, k).astype(np.float64)


def group_auc(judged: Judged, k: int) -> np.ndarray:
    """Share of (relevant, other) pairs in the right order, whatever the cutoff; needs complete ranks."""
    return judged.sum(judged.hits, above_others(judged)) / judged.total


def limited_auc(judged: Judged, k: int) -> np.ndarray:
    """The same for relevant items above the cutoff, over how many fit there (Schroder et al. 2011)."""
    kept = judged.hits.rank < k
    return judged.sum(judged.hits.only(kept), above_others(judged)[kept]) / np.minimum(judged.total, k)


def above_others(judged: Judged) -> np.ndarray:
    """(h,) for each hit: the share of the user's other items that it stands above, as Elliot counts them."""
    hits = judged.hits
    # Relevant items that nobody was trained on can outnumber what is left: there is no other item then.
    others = judged.training.items - judged.training.sizes[judged.users] - judged.total
    room = (np.maximum(others, 0) + 1)[hits.row]
    return (room - hits.rank + place_in_group(hits.row)) / room


def _hits_so_far(judged: Judged, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For some users at a time: (b, k) relevant items down to each rank, and (b,) relevant items in all."""
    hits = judged.hits.within(k)
    step = max(1, BLOCK // k)
    for start in range(0, max(len(judged.users), 1), step):
        total = judged.total[start : start + step]
        here = slice(*np.searchsorted(hits.row, (start, start + step)))
        at = np.zeros((len(total), k), dtype=np.int64)
        at[hits.row[here] - start, hits.rank[here]] = 1
        yield at.cumsum(axis=1), total
