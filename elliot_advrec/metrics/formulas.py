"""Every measure of lists by Elliot's name: its formula, the users it is taken over, a line about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from elliot_advrec.errors import UserError, nearest
from elliot_advrec.metrics import accuracy, overall, popularity
from elliot_advrec.metrics.judged import Judged


@dataclass(frozen=True)
class UserMetric:
    """A number for each user; the mean over users is reported, with its interval and paired tests."""

    name: str
    """Elliot's name."""
    summary: str
    """One line, as ``elliot list`` prints it."""
    formula: Callable[[Judged, int], np.ndarray]
    """(judged, cutoff) -> (n,) float64, at least 0."""
    highest: float = 1.0
    """The largest value there can be."""
    everyone: bool = False
    """Taken over all users with a held-out rating; else over those with a relevant one."""
    complete: bool = False
    """Whether the rank of every relevant item counts, far below the cutoff too."""


@dataclass(frozen=True)
class OverallMetric:
    """One number for all lists together: no user has a value, so there is no interval and no paired test."""

    name: str
    """Elliot's name."""
    summary: str
    """One line, as ``elliot list`` prints it."""
    formula: Callable[[Judged, int], float]
    """(judged, cutoff) -> the number; nan where it has no value."""
    complete: bool = False
    """Whether the rank of every relevant item counts, far below the cutoff too."""


Metric = UserMetric | OverallMetric

TABLE: tuple[Metric, ...] = (
    UserMetric("nDCG", "discounted gain 2^(rating - threshold + 1) - 1 over the ideal list's", accuracy.ndcg),
    UserMetric(
        "nDCGRendle2020",
        "discounted hits over the ideal list's, every relevant item alike",
        accuracy.ndcg_binary,
    ),
    UserMetric("HR", "share of users with a relevant item in their list", accuracy.hit_rate),
    UserMetric("Precision", "relevant items in the list over the cutoff", accuracy.precision),
    UserMetric("Recall", "relevant items in the list over the user's relevant items", accuracy.recall),
    UserMetric("F1", "harmonic mean of Precision and Recall", accuracy.f1),
    UserMetric(
        "MAP", "mean of Precision at 1, 2, ..., cutoff, as Elliot averages it", accuracy.mean_precision
    ),
    UserMetric("MAR", "mean of Recall at 1, 2, ..., cutoff", accuracy.mean_recall),
    UserMetric(
        "MRR", "1 / rank of the first relevant item, 0 if none is in the list", accuracy.reciprocal_rank
    ),
    OverallMetric(
        "AUC",
        "share of other items that a relevant one stands above, over all users' relevant items together",
        overall.auc,
        complete=True,
    ),
    UserMetric(
        "GAUC",
        "share of other items that a relevant one stands above, a mean for each user",
        accuracy.group_auc,
        complete=True,
    ),
    UserMetric(
        "LAUC", "the same for relevant items in the list, over how many fit there", accuracy.limited_auc
    ),
    OverallMetric("ItemCoverage", "items that are in some list", overall.item_coverage),
    OverallMetric("UserCoverage", "users whose list is not empty", overall.user_coverage),
    OverallMetric("UserCoverageAtN", "users whose list is as long as the cutoff", overall.user_coverage_at_n),
    UserMetric("NumRetrieved", "items in the list, the cutoff at most", accuracy.retrieved, math.inf),
    OverallMetric("Gini", "1 - Gini index of how often items are listed, 1 for all alike", overall.gini),
    OverallMetric("SEntropy", "Shannon entropy of what is listed, in bits", overall.shannon_entropy),
    UserMetric(
        "EPC", "discounted hits, each by the share of users who do not know the item", popularity.complement
    ),
    UserMetric(
        "EFD",
        "discounted hits, each by the bits of surprise of the item",
        popularity.free_discovery,
        math.inf,
    ),
    UserMetric(
        "ARP",
        "mean number of training users of the listed items",
        popularity.mean_popularity,
        math.inf,
        everyone=True,
    ),
    UserMetric("APLT", "share of the list that is long tail", popularity.tail_share, everyone=True),
    UserMetric("ACLT", "long-tail items in the list", popularity.tail_count, math.inf, everyone=True),
    OverallMetric(
        "PopREO",
        "spread of short head and long tail in how much of what is relevant is listed, 0 for even",
        overall.equal_opportunity,
    ),
    OverallMetric(
        "PopRSP",
        "spread of short head and long tail in how much of what is unseen is listed, 0 for even",
        overall.statistical_parity,
    ),
)

#: Elliot's name -> one line about it.
METRICS: dict[str, str] = {metric.name: metric.summary for metric in TABLE}

#: What Elliot knows besides: error of predicted ratings, and measures that need a section of their own.
ONLY_ELLIOT = (
    "MAE", "MSE", "RMSE", "DSC", "ExtendedF1", "ExtendedEFD", "ExtendedEPC", "ExtendedPopREO",
    "ExtendedPopRSP", "SRecall", "UserMADrating", "ItemMADrating", "UserMADranking", "ItemMADranking",
    "BiasDisparityBR", "BiasDisparityBS", "BiasDisparityBD", "RSP", "REO",
)  # fmt: skip

_BY_LOWER = {metric.name.lower(): metric for metric in TABLE}


def metric_named(name: str) -> Metric:
    """The metric of that name; like Elliot's, names do not mind the case.

    Raises:
        UserError: there is none, or only Elliot has it.
    """
    found = _BY_LOWER.get(name.lower())
    if found is not None:
        return found
    if name.lower() in {other.lower() for other in ONLY_ELLIOT}:
        raise UserError(
            f"metric '{name}' is Elliot's own and is not computed here",
            where="evaluation",
            remedy="take it out, or run the recipe with Elliot itself",
        )
    raise UserError(f"unknown metric '{name}'", where="evaluation", remedy=nearest(name, METRICS))
