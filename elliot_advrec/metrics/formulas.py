"""Elliot's ranking metrics of one cutoff, each from the same four arrays.

hits (n, k): 1 where the item at that rank is relevant. gains (n, k): 2^(rating - threshold + 1) - 1 where it
is relevant, else 0. ideal (n, k): the user's gains, best first, 0 beyond the last. total (n,): relevant items
of the user, at least 1. Every formula gives (n,) float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

METRICS: dict[str, str] = {
    "nDCG": "discounted gain 2^(rating - threshold + 1) - 1 over the ideal list's",
    "nDCGRendle2020": "discounted hits over the ideal list's, every relevant item alike",
    "HR": "share of users with a relevant item in their list",
    "Precision": "relevant items in the list over the cutoff",
    "Recall": "relevant items in the list over the user's relevant items",
    "F1": "harmonic mean of Precision and Recall",
    "MAP": "mean of Precision at 1, 2, ..., cutoff, as Elliot averages it",
    "MRR": "1 / rank of the first relevant item, 0 if none is in the list",
}


def _discounted(gains: np.ndarray) -> np.ndarray:
    return np.asarray(gains @ (1 / np.log2(np.arange(gains.shape[1]) + 2)))


def _ndcg(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return _discounted(gains) / _discounted(ideal)


def _ndcg_binary(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return _discounted(hits) / _discounted((ideal > 0).astype(np.float64))


def _hit(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.asarray(hits.any(axis=1).astype(np.float64))


def _precision(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.asarray(hits.mean(axis=1))


def _recall(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return hits.sum(axis=1) / total


def _f1(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    # 2PR / (P + R) with P = h / k and R = h / total is 2h / (k + total), also where h is 0.
    return 2 * hits.sum(axis=1) / (hits.shape[1] + total)


def _map(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.asarray((np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)).mean(axis=1))


def _mrr(hits: np.ndarray, gains: np.ndarray, ideal: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)


FORMULAS: dict[str, Formula] = {
    "nDCG": _ndcg,
    "nDCGRendle2020": _ndcg_binary,
    "HR": _hit,
    "Precision": _precision,
    "Recall": _recall,
    "F1": _f1,
    "MAP": _map,
    "MRR": _mrr,
}
