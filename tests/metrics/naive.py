"""Every measure once more, as a loop over users and ranks, straight from its definition."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass


@dataclass
class Catalog:
    """What was trained on."""

    seen: dict[int, set[int]]
    size: int

    def __post_init__(self) -> None:
        self.popularity = Counter(item for items in self.seen.values() for item in items)
        self.users = sum(bool(items) for items in self.seen.values())
        total = sum(self.popularity.values())
        self.head: set[int] = set()
        room = total * 0.8
        for item, count in sorted(self.popularity.items(), key=lambda pair: (-pair[1], pair[0])):
            self.head.add(item)
            room -= count
            if room <= 0:
                break
        self.tail = set(self.popularity) - self.head
        rarest = min(self.popularity.values())
        self.surprise = lambda item: -math.log2(self.popularity.get(item, rarest) / total)


def of_user(
    ranked: list[int], ratings: dict[int, float], k: int, threshold: float, user: int, catalog: Catalog
) -> dict[str, float]:
    """Measures of one user's list ``ranked``, which is whole."""
    top = ranked[:k]
    gains = {i: 2 ** (r - threshold + 1) - 1 for i, r in ratings.items() if r >= threshold}
    listed = {
        "ARP": sum(catalog.popularity[i] for i in top) / len(top) if top else 0.0,
        "ACLT": float(len(set(top) & catalog.tail)),
        "APLT": len(set(top) & catalog.tail) / len(top) if top else 0.0,
    }
    if not gains:
        return listed
    best = sorted(gains.values(), reverse=True)[:k]
    discount = [1 / math.log2(rank + 2) for rank in range(k)]
    hits = [item in gains for item in top]
    precision, recall = sum(hits) / k, sum(hits) / len(gains)
    norm = sum(discount[: len(top)]) or 1.0
    rank_gains = [gains.get(item, 0.0) * d for item, d in zip(top, discount, strict=False)]
    others = max(catalog.size - len(catalog.seen[user]) - len(gains), 0) + 1
    above = [
        (rank, (others - rank + place) / others)
        for place, rank in enumerate(r for r, item in enumerate(ranked) if item in gains)
    ]

    def novelty(of: object) -> float:
        worth = [h * d * of(i) for h, d, i in zip(hits, discount, top, strict=False)]  # type: ignore[operator]
        return sum(worth) / norm

    return listed | {
        "nDCG": sum(rank_gains) / sum(g * d for g, d in zip(best, discount, strict=False)),
        "nDCGRendle2020": sum(h * d for h, d in zip(hits, discount, strict=False))
        / sum(discount[: len(best)]),
        "HR": float(any(hits)),
        "Precision": precision,
        "Recall": recall,
        "F1": 2 * precision * recall / (precision + recall) if any(hits) else 0.0,
        "MAP": sum(sum(hits[: n + 1]) / (n + 1) for n in range(k)) / k,
        "MAR": sum(sum(hits[: n + 1]) / len(gains) for n in range(k)) / k,
        "MRR": next((1 / (n + 1) for n, h in enumerate(hits) if h), 0.0),
        "GAUC": sum(share for _, share in above) / len(gains),
        "LAUC": sum(share for rank, share in above if rank < k) / min(k, len(gains)),
        "NumRetrieved": float(len(top)),
        "EPC": novelty(lambda i: 1 - catalog.popularity[i] / catalog.users),
        "EFD": novelty(catalog.surprise),
    }


def of_all(
    lists: dict[int, list[int]],
    ratings: dict[int, dict[int, float]],
    k: int,
    threshold: float,
    catalog: Catalog,
) -> dict[str, float]:
    """Measures of all lists together; users are those with a held-out rating."""
    tops = {user: ranked[:k] for user, ranked in lists.items()}
    counts = Counter(item for top in tops.values() for item in top)
    total = sum(counts.values())
    relevant = {u: {i for i, r in ratings[u].items() if r >= threshold} for u in lists}
    # Gini over the whole catalog, items that nobody is shown counting as nought.
    shares = sorted([0] * (catalog.size - len(counts)) + [count / total for count in counts.values()])
    n = catalog.size
    gini = sum((2 * j - n - 1) * share for j, share in enumerate(shares, 1)) / (n - 1)
    entropy = statistics.fmean(
        sum(-math.log2(counts[item] / total) for item in top) / len(top) if top else 0.0
        for top in tops.values()
    )
    above = []
    for user, ranked in lists.items():
        others = max(n - len(catalog.seen[user]) - len(relevant[user]), 0) + 1
        ranks = [rank for rank, item in enumerate(ranked) if item in relevant[user]]
        above += [(others - rank + place) / others for place, rank in enumerate(ranks)]

    def spread(listed: dict[int, set[int]], possible: dict[int, set[int]]) -> float:
        shares = []
        for group in (catalog.head, catalog.tail):
            room = sum(len(possible[u] & group) for u in lists)
            if not room:
                return math.nan
            shares.append(sum(len(listed[u] & group) for u in lists) / room)
        mean = statistics.fmean(shares)
        return statistics.pstdev(shares) / mean if mean else math.nan

    everything = set(range(max(catalog.popularity) + 1)) | set(counts)
    return {
        "AUC": statistics.fmean(above) if above else math.nan,
        "ItemCoverage": float(len(counts)),
        "UserCoverage": float(sum(bool(ranked) for ranked in lists.values())),
        "UserCoverageAtN": float(sum(len(ranked) >= k for ranked in lists.values())),
        "Gini": 1 - gini,
        "SEntropy": entropy,
        "PopREO": spread(
            {u: set(tops[u]) & relevant[u] for u in lists},
            {u: relevant[u] - catalog.seen[u] for u in lists},
        ),
        "PopRSP": spread({u: set(tops[u]) for u in lists}, {u: everything - catalog.seen[u] for u in lists}),
    }
